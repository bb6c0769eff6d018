"""Mutants of the cache: what keeps a status from going back, and many from asking at once."""
# ruff: noqa: E501 (pieces of source stand on one line each)

from tests.mutants.mutant import Mutant, without

LIVES = "tests/unit/cache/test_lives.py"
SERVICE = "tests/unit/cache/test_service.py"
STALE = "tests/rpc/test_edge_stale.py::test_p07_what_is_remembered_is_answered_marked_and_to_its_owner_only"

MUTANTS: tuple[Mutant, ...] = (
    without(
        "P6",
        "what-was-evicted-leaves-no-floor",
        "services.cache.adapters.memory",
        (
            "        return version < self._versions[bucket] and (read_at <= put_at or now <= put_at + REDIS_SECONDS)\n",
            "        return False\n",
        ),
        tests=(
            "tests/unit/cache/test_model.py::test_memory_is_bounded_in_entries_and_keeps_what_is_used_most",
        ),
    ),
    without(
        "P6",
        "anothers-clock-says-what-is-newer",
        "services.cache.adapters.memory",
        (" and (read_at <= put_at or now <= put_at + REDIS_SECONDS)\n", " and read_at <= put_at\n"),
        tests=(f"{SERVICE}::test_p06_a_clock_that_is_ahead_takes_no_status_back",),
    ),
    without(
        "P6",
        "what-is-from-times-to-come-is-fresh",
        "services.cache.service",
        ("        if entry.read_at_ms > now_ms + MAX_AHEAD_MS:\n            return False\n", ""),
        tests=(f"{SERVICE}::test_p06_what_was_read_in_times_to_come_is_read_anew",),
    ),
    without(
        "P6",
        "a-load-under-way-outlives-forgetting",
        "services.cache.levels",
        ("            and read_at <= floor.put_at\n", "            and False\n"),
        tests=(f"{SERVICE}::test_p06_what_is_forgotten_is_not_brought_back_by_a_load_under_way",),
    ),
    without(
        "P6",
        "what-is-loaded-may-be-evicted",
        "services.cache.adapters.memory",
        (
            "        if intent_id in self._pins:\n            self._waiting.add(intent_id)\n            return\n",
            "",
        ),
        tests=("tests/unit/cache/test_model.py::test_p06_what_is_being_loaded_is_not_evicted",),
    ),
    without(
        "P6",
        "what-was-forgotten-leaves-no-floor",
        "services.cache.adapters.memory",
        (
            "            if not _overrides(held, entry, now, begun, truth):\n                return held.entry\n",
            "",
        ),
        tests=(
            "tests/unit/cache/test_model.py::test_p06_a_forgotten_version_keeps_older_ones_out_for_a_while",
        ),
    ),
    without(
        "P6",
        "a-broken-log-changes-nothing",
        "services.cache.service",
        ("                and (live or held.settled or held.trusted_at >= confirmed_since)\n", ""),
        (
            "        return self._tail.live or held.settled or now - held.trusted_at <= self._trust.untailed\n",
            "        return True\n",
        ),
        tests=(f"{SERVICE}::test_a_broken_tail_is_known_and_memory_trusted_less",),
    ),
    without(
        "P6",
        "a-lost-place-in-the-log-changes-nothing",
        "services.cache.service",
        ("        self._memory.distrust()\n        self._levels.unknown.clear()\n", "        return\n"),
        tests=(f"{LIVES}::test_p06_a_place_in_the_log_that_was_lost_leaves_nothing_trusted_that_may_change",),
    ),
    without(
        "P6",
        "any-redis-value-is-vouched-for",
        "services.cache.service",
        (
            "        if entry.settled:\n            return True\n",
            "        return True\n",
        ),
        tests=(f"{SERVICE}::test_redis_from_before_the_log_was_followed_is_not_taken_for_what_may_change",),
    ),
    without(
        "P6",
        "a-lagging-node-takes-views-back",
        "services.cache.views",
        (
            "settled(view, held.answer) or 0 < answer.block_height < held.answer.block_height",
            "settled(view, held.answer)",
        ),
        tests=("tests/unit/cache/test_views.py::test_p06_a_node_that_lags_takes_no_answer_back",),
    ),
    without(
        "cache",
        "what-holds-for-good-is-asked-again",
        "services.cache.views",
        (
            "                return FOREVER if settled(view, answer) else self.unused\n",
            "                return self.unused\n",
        ),
        tests=(
            "tests/unit/cache/test_views.py::test_what_holds_for_good_at_a_final_block_is_not_asked_again",
        ),
    ),
    without(
        "cache",
        "everybody-loads-for-himself",
        "services.cache.flights",
        (
            "        if flight is not None and (not_before is None or flight.begun >= not_before):\n            return flight\n",
            "",
        ),
        tests=(f"{LIVES}::test_ten_thousand_readers_of_one_cold_key_cause_one_load",),
    ),
    without(
        "cache",
        "all-expire-together",
        "services.cache.model",
        ("        return life * (1 - self.jitter * dice())\n", "        return life\n"),
        tests=(f"{LIVES}::test_what_came_together_does_not_expire_together",),
    ),
    without(
        "cache",
        "an-expired-status-is-waited-for",
        "services.cache.service",
        (
            "            if not self._tail.live or arrived >= held.until + self._trust.revalidate:\n",
            "            if True:\n",
        ),
        tests=(f"{LIVES}::test_an_expired_status_is_answered_at_once_while_one_load_renews_it",),
    ),
    without(
        "cache",
        "renewed-unseen-without-the-log",
        "services.cache.service",
        ("            if not self._tail.live or arrived >=", "            if arrived >="),
        (
            "        return self._tail.live or held.settled or now - held.trusted_at <= self._trust.untailed\n",
            "        return True\n",
        ),
        tests=(f"{LIVES}::test_an_expired_status_waits_for_its_load_while_the_log_is_not_followed",),
    ),
    without(
        "cache",
        "what-nobody-knew-is-asked-each-time",
        "services.cache.levels",
        ("                self.unknown.add(intent_id, begun)\n", "                pass\n"),
        tests=(f"{LIVES}::test_what_nobody_knew_is_not_looked_up_again_for_a_moment",),
    ),
    without(
        "cache",
        "what-nobody-knew-stays-unknown",
        "services.cache.absent",
        (
            "        return now < self._until.get(intent_id, now)\n",
            "        return intent_id in self._until\n",
        ),
        tests=(f"{LIVES}::test_what_nobody_knew_is_not_looked_up_again_for_a_moment",),
    ),
    without(
        "P6",
        "found-in-the-store-and-unknown-again",
        "services.cache.levels",
        ("            self.unknown.discard(entry.status.intent_id for entry in fresh)\n", ""),
        tests=(f"{LIVES}::test_p06_what_was_found_since_is_not_unknown_again",),
    ),
    without(
        "P6",
        "found-in-redis-and-unknown-again",
        "services.cache.levels",
        ("        self.unknown.discard((intent_id,))\n", ""),
        tests=(f"{LIVES}::test_p06_what_was_found_since_is_not_unknown_again",),
    ),
    without(
        "cache",
        "what-nobody-knew-is-not-asked-of-redis",
        "services.cache.service",
        (
            "        if open_ and self._has_shared:\n",
            "        open_ = [one for one in open_ if not self._nobody_knows(one.query, arrived)]\n"
            "        if open_ and self._has_shared:\n",
        ),
        tests=(f"{LIVES}::test_what_another_cache_was_told_of_is_known_where_nobody_knew_it",),
    ),
    without(
        "P6",
        "a-known-intent-is-taken-for-unknown",
        "services.cache.levels",
        (" and self._memory.peek(intent_id) is None:\n", ":\n"),
        tests=(f"{LIVES}::test_what_was_written_while_nobody_knew_it_is_found",),
    ),
    without(
        "P7",
        "an-empty-redis-forgives-all",
        "services.edge.limits.fallback",
        ("            if wait is not None:\n                return wait\n", ""),
        tests=(
            "tests/contract/test_rate_limiter.py::test_p07_without_redis_this_replica_goes_on_with_its_own_count",
        ),
    ),
    without(
        "P7",
        "what-redis-forgot-is-remembered-here",
        "services.edge.limits.fallback",
        (
            "self._local.note(subject, count, now)\n",
            "self._local.note(subject, count, self._clock.monotonic())\n",
        ),
        tests=(
            "tests/contract/test_rate_limiter.py::test_what_redis_has_forgotten_is_forgotten_here_too_however_long_its_answer_took",
        ),
    ),
    without(
        "P7",
        "stale-cannot-be-allowed-over-grpc",
        "services.edge.servicer",
        ("            allow_stale=request.allow_stale,\n", ""),
        tests=(STALE,),
    ),
    without(
        "P7",
        "stale-cannot-be-allowed-over-http",
        "services.edge.http.routes",
        ('            allow_stale=switch(query, "allowStale"),\n', ""),
        tests=(STALE,),
    ),
    without(
        "P7",
        "the-edge-does-not-say-stale",
        "services.edge.convert",
        ("        stale=answer.stale,\n", ""),
        tests=(STALE,),
    ),
    without(
        "cache",
        "stale-without-being-asked-for",
        "services.cache.service",
        (
            "            stale = self._stale(query) if query.allow_stale else None\n",
            "            stale = self._stale(query)\n",
        ),
        tests=(
            f"{SERVICE}::test_everything_below_away_only_who_allows_it_gets_a_stale_answer_and_it_says_so",
        ),
    ),
    without(
        "cache",
        "stale-without-saying-so",
        "services.cache.service",
        ("                return dataclasses.replace(stale, stale=True)\n", "                return stale\n"),
        ("stale=not (now < held.until and self._confirmed(held, now))", "stale=False"),
        tests=(
            f"{SERVICE}::test_everything_below_away_only_who_allows_it_gets_a_stale_answer_and_it_says_so",
        ),
    ),
    without(
        "P10",
        "a-text-takes-a-byte-per-character",
        "services.cache.adapters.bounded",
        ("    return len(text) if text.isascii() else 8 * len(text)\n", "    return len(text)\n"),
        tests=(
            "tests/unit/cache/test_bounded.py::test_p10_a_status_with_a_long_principal_takes_no_more_than_it_is_counted_for",
        ),
    ),
    without(
        "cache",
        "bytes-have-no-bound",
        "services.cache.adapters.bounded",
        (
            "        if self.bytes > self._max_bytes:\n            out += self._fit()\n        elif",
            "        if",
        ),
        tests=("tests/unit/cache/test_bounded.py::test_memory_holds_its_bytes_with_ids_of_any_length",),
    ),
)
