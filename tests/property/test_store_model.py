"""The whole store against a model of it: two replicas with clocks of their own on one database, in any order of calls.

Creations and relays are cut off at any step, moves overtaken, clocks jump both ways, replicas are replaced, readers
follow the log by cursor now through one replica, now through the other. With `--hypothesis-profile=long --timeout=0`
it goes on for half an hour and more, and shows a failure as short as it can be had.
"""

from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from services.store.adapters.mongo import MongoStorage
from services.store.adapters.sqlite import SqliteStorage
from tests.conftest import stateful
from tests.harness.servers import ServerProcess
from tests.property.store_model.faults import Faults
from tests.property.store_model.world import OpenStorage


def check(make: Callable[[], OpenStorage], examples: int) -> None:
    """`make` is called for each example, and gives what opens its database."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: Faults(make()),
        settings=settings(stateful(examples), suppress_health_check=list(HealthCheck)),
    )


def test_p03_p05_p08_the_store_is_its_model_on_sqlite(tmp_path: Path) -> None:
    files = iter(range(10**9))

    def make() -> OpenStorage:
        path = tmp_path / f"{next(files)}.db"
        return lambda: SqliteStorage(path)

    check(make, 50)


def test_p03_p05_p08_the_store_is_its_model_on_mongodb(mongo_java_server: ServerProcess) -> None:
    def make() -> OpenStorage:
        url = mongo_java_server.new_database()
        return lambda: MongoStorage(url, select_timeout_ms=5_000, timeout_ms=20_000, pool_size=4)

    check(make, 20)
