"""The store's databases without what guards their use."""
# ruff: noqa: E501 (pieces of source stand on one line each)

from tests.mutants.mutant import Mutant, without

_DRIVERS = "tests/contract/test_store_drivers.py"
_SQLITE = "tests/contract/test_store_broken_sqlite.py"
_MONGO = "tests/contract/test_store_broken_mongo.py"
_WORKER = "services.store.adapters.sqlite_worker"
_DRIVER = "services.store.adapters.mongo_driver"

MUTANTS: tuple[Mutant, ...] = (
    without(
        "P1", "the-url-chooses-the-write-concern", _DRIVER,
        ('            write_concern=WriteConcern(w="majority", j=True, wtimeout=bounds.call_ms),\n', ""),
        tests=(f"{_DRIVERS}::test_p01_no_url_weakens_writes_and_reads[java]",),
    ),
    without(
        "P1", "the-url-chooses-what-is-read", _DRIVER,
        ('            read_concern=ReadConcern("majority"),\n', ""),
        ("            read_preference=ReadPreference.PRIMARY,\n", ""),
        tests=(f"{_DRIVERS}::test_p01_no_url_weakens_writes_and_reads[java-pymongo]",),
    ),
    without(
        "P4", "a-database-call-outlives-its-caller", _DRIVER,
        ("with pymongo.timeout(None if left is None else max(0.001, min(left, self._most))):", "with pymongo.timeout(None):"),
        tests=(f"{_DRIVERS}::test_a_call_carries_its_callers_deadline[java-pymongo]",),
    ),
    without(
        "P5", "the-relay-inherits-a-deadline", "services.store.relay",
        ("self._work(partition), context=contextvars.Context()", "self._work(partition)"),
        tests=(f"{_DRIVERS}::test_the_relay_works_within_nobodys_deadline[java]",),
    ),
    without(
        "P4", "a-hanging-server-is-waited-for", _DRIVER,
        ("            async with asyncio.timeout(left):\n                return await self._run(call)\n", "            return await self._run(call)\n"),
        ("with pymongo.timeout(None if left is None else max(0.001, min(left, self._most))):", "with pymongo.timeout(None):"),
        tests=(f"{_MONGO}::test_p04_a_server_that_hangs_is_answered_within_the_callers_deadline[pymongo]",),
    ),
    without(
        "P4", "a-late-write-has-failed", _DRIVER,
        ("            if error.timeout and left <= self._most:\n                raise too_late(\"store\") from error\n", ""),
        ("        except TimeoutError:\n            raise too_late(\"store\") from None\n", "        except TimeoutError:\n            raise ValueError from None\n"),
        tests=(f"{_MONGO}::test_p04_a_server_that_hangs_is_answered_within_the_callers_deadline[motor]",),
    ),
    without(
        "P4", "a-locked-file-is-waited-for", _WORKER,
        ("            async with asyncio.timeout(deadline.remaining()):\n", "            async with asyncio.timeout(None):\n"),
        tests=(f"{_SQLITE}::test_p04_a_caller_waits_for_a_locked_file_no_longer_than_its_deadline",),
    ),
    without(
        "P4", "work-of-those-who-left-is-done", _WORKER,
        ("            jobs = [job for job in jobs if not job.future.cancelled()]\n", ""),
        tests=(f"{_SQLITE}::test_p04_a_caller_waits_for_a_locked_file_no_longer_than_its_deadline",),
    ),
    without(
        "P1", "a-full-disk-is-no-error", _WORKER,
        ("            for job in jobs:\n                job.error = job.error or error\n", ""),
        tests=(f"{_SQLITE}::test_p01_a_database_that_is_full_takes_nothing_by_half",),
    ),
    without(
        "P10", "any-text-is-stored", "services.store.fit",
        ("    except UnicodeEncodeError:\n", "    except ZeroDivisionError:\n"),
        tests=("tests/contract/test_store_bad_input.py::test_p10_text_that_is_none_is_refused[sqlite]",),
    ),
    without(
        "P10", "any-size-is-stored", "services.store.fit",
        ("    if size > most:\n", "    if size < 0:\n"),
        tests=("tests/contract/test_store_bad_input.py::test_p10_what_is_too_large_for_a_record_is_refused[sqlite]",),
    ),
)  # fmt: skip
