"""The store's databases without what guards their use."""
# ruff: noqa: E501 (pieces of source stand on one line each)

from tests.mutants.mutant import Mutant, without

_DRIVERS = "tests/contract/test_store_drivers.py"
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
)  # fmt: skip
