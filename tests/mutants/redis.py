"""Redis without each of its protections: of callers against it, of what it holds, of who we are to it."""
# ruff: noqa: E501 (pieces of source stand on one line each)

from tests.mutants.mutant import Mutant, without

_SHARED = "services.cache.shared"
_LEVEL = "services.cache.adapters.redis"
_STORED = "services.cache.stored"
_LINK = "services.common.redis.link"
_GUARDED = "tests/unit/cache/test_shared.py"
_CONTRACT = "tests/contract/test_cache_shared_level.py"
_LINKS = "tests/contract/test_redis_links.py"
_HOSTILE = "tests/contract/test_cache_hostile_redis.py"

MUTANTS: tuple[Mutant, ...] = (
    without(
        "P7",
        "a-read-waits-until-redis-answers",
        _SHARED,
        ("await asyncio.wait({call}, timeout=self._wait)", "await asyncio.wait({call})"),
        tests=(f"{_GUARDED}::test_p07_a_level_that_hangs_is_given_up_after_its_wait",),
    ),
    without(
        "P7",
        "a-read-waits-for-a-write",
        _SHARED,
        (
            "        self._write(lambda: self._inner.put(entries))\n",
            "        await self._write(lambda: self._inner.put(entries))\n",
        ),
        tests=(f"{_GUARDED}::test_p07_nobody_waits_for_a_write",),
    ),
    without(
        "P7",
        "a-probe-asks-once",
        _SHARED,
        (
            '                outcome = again.result() if await self._done(again) else SharedUnavailable("Late")\n',
            "",
        ),
        tests=(f"{_GUARDED}::test_p07_a_probe_that_is_answered_late_does_not_bring_the_level_back",),
    ),
    without(
        "P7",
        "any-number-of-calls-hangs",
        _SHARED,
        ("        if len(self._calls) - len(self._writes) >= MAX_READS:\n", "        if False:\n"),
        tests=(f"{_GUARDED}::test_p07_calls_under_way_are_bounded",),
    ),
    without(
        "P7",
        "a-call-hangs-for-good",
        _SHARED,
        (
            "                async with asyncio.timeout(self._give_up):\n",
            "                async with asyncio.timeout(None):\n",
        ),
        tests=(f"{_GUARDED}::test_p07_what_hangs_for_good_is_given_up",),
    ),
    without(
        "P7",
        "any-answer-closes-the-breaker",
        "services.cache.model",
        (
            "    def succeeded(self) -> None:\n        self._in_a_row = 0\n",
            "    def succeeded(self) -> None:\n        self._in_a_row, self._open_for = 0, 0.0\n",
        ),
        tests=(
            "tests/unit/cache/test_model.py::test_breaker_opens_after_failures_in_a_row_and_lets_one_probe_through",
        ),
    ),
    without(
        "P7",
        "only-known-errors-are-misses",
        _LEVEL,
        ("        except Exception as error:\n", "        except OSError as error:\n"),
        tests=(f"{_HOSTILE}::test_whatever_the_driver_raises_is_told_as_an_absence[a size that is none]",),
    ),
    without(
        "P7",
        "an-answer-of-another-shape-is-an-answer",
        _LEVEL,
        ("            _check(values, len(keys))\n", ""),
        tests=(f"{_HOSTILE}::test_an_answer_of_another_shape_is_an_absence[another kind: number]",),
    ),
    without(
        "P7",
        "a-master-of-yesterday-is-kept",
        _LEVEL,
        ("            if isinstance(error, ReadOnlyError):\n", "            if False:\n"),
        tests=(f"{_HOSTILE}::test_a_master_that_is_one_no_longer_is_left_for_a_new_connection",),
    ),
    without(
        "P7",
        "the-limiter-waits-for-each-step",
        "services.edge.limits.redis",
        ("asyncio.timeout(self._timeout)", "asyncio.timeout(None)"),
        tests=(f"{_LINKS}::test_p07_the_limiter_gives_up_in_time_in_every_form",),
    ),
    without(
        "P7",
        "the-limiter-trusts-the-driver",
        "services.edge.limits.redis",
        ("        except Exception:\n", "        except OSError:\n"),
        tests=(f"{_HOSTILE}::test_p07_the_limiter_takes_any_bad_answer_for_an_absence[garbage]",),
    ),
    without(
        "P6",
        "a-lost-write-is-forgotten",
        _SHARED,
        ("        else:\n            self._missed()\n", "        else:\n"),
        tests=(f"{_GUARDED}::test_p06_values_from_before_a_write_that_was_lost_are_not_taken",),
    ),
    without(
        "P6",
        "a-write-under-way-outlives-forgetting",
        _SHARED,
        (
            "        if self._writes:\n            await asyncio.wait(self._writes, timeout=self._wait)\n        if not self._admits",
            "        if not self._admits",
        ),
        tests=(f"{_GUARDED}::test_p06_what_is_forgotten_is_not_brought_back_by_a_write_under_way",),
    ),
    without(
        "P6",
        "redis-is-believed-whatever-it-has",
        "services.cache.levels",
        ("        vouched = self._vouch(entry)\n", "        vouched = True\n"),
        tests=("tests/rpc/test_cache_redis.py::test_p06_old_data_that_comes_back_in_redis_does_no_harm",),
    ),
    without(
        "P10",
        "any-text-makes-a-key",
        _STORED,
        ("    if ID_PATTERN.fullmatch(intent_id) is None:\n", "    if False:\n"),
        tests=(f"{_CONTRACT}::test_what_is_no_id_makes_no_key[{{a}}]",),
    ),
    without(
        "P10",
        "a-later-schema-is-read-all-the-same",
        _STORED,
        ('    if value.get("schema", SCHEMA) != SCHEMA:\n', "    if False:\n"),
        tests=(f"{_CONTRACT}::test_p06_a_later_schema_keeps_older_versions_out[redis]",),
    ),
    without(
        "P10",
        "a-value-of-any-length-is-fetched",
        _LEVEL,
        (
            "  if type(size) == 'number' and size <= tonumber(ARGV[1]) then\n",
            "  if type(size) == 'number' then\n",
        ),
        tests=(f"{_CONTRACT}::test_a_value_that_is_too_long_stays_where_it_is[redis]",),
    ),
    without(
        "P9",
        "redis-may-be-any-host",
        _LINK,
        ('"ssl_check_hostname": True', '"ssl_check_hostname": False'),
        tests=(f"{_LINKS}::test_tls_is_checked_for_the_host_that_was_asked_for",),
    ),
    without(
        "P9",
        "any-certificate-will-do",
        _LINK,
        (
            '"ssl_cert_reqs": "required", "ssl_check_hostname": True',
            '"ssl_cert_reqs": "none", "ssl_check_hostname": False',
        ),
        tests=(f"{_LINKS}::test_tls_is_checked_against_the_ca_that_is_named",),
    ),
    without(
        "P9",
        "a-bad-url-is-repeated",
        "services.common.redis.address",
        (
            '        raise AddressError(f"must be {FORMS}")\n',
            '        raise AddressError(f"{url} must be {FORMS}")\n',
        ),
        tests=(f"{_LINKS}::test_a_url_that_is_none_is_refused_without_repeating_it[s3cret]",),
    ),
)
