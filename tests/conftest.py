"""Fixtures of all tests: real servers on free ports, one per test process, a database of its own for each test.

REDIS_URL and MONGODB_URL put servers of your choice in their place: the Redis database that is named is emptied before
each test, on MongoDB every test gets a new database, dropped afterwards.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pymongo
import pytest
import redis
from hypothesis import Phase, settings

from tests.harness import servers
from tests.harness.servers import ServerProcess

REDIS_URL = os.environ.pop("REDIS_URL", "")
MONGODB_URL = os.environ.pop("MONGODB_URL", "")
MONGOS = ("given",) if MONGODB_URL else ("secantus", "java")
"""The MongoDB-protocol servers that tests run on."""
SPOKEN = (*MONGOS, *(f"{one}-pymongo" for one in MONGOS))
"""Each with motor, and with PyMongo's AsyncMongoClient."""
ROOMS = tuple(
    f"tests/contract/test_store_{room}.py"
    for room in (
        "claims",
        "keys",
        "lists",
        "overdue",
        "resolve",
        "retention",
        "rollups",
        "schema",
        "verify",
        "verify_rollups",
    )
)
"""Tests of rooms that know a driver only through the seam the others hold whole: each server with one driver, each
driver with one server. `--every-pair` runs all."""
NOT_IN_ROOMS = ("secantus-pymongo", "java")
NO_SKIPS = os.environ.get("CI") == "true"

# Two busy cores say nothing about how long an example should take; a failure shows how to get it again.
settings.register_profile("suite", deadline=None, print_blob=True)
# For hours rather than seconds: --hypothesis-profile=long
settings.register_profile("long", settings.get_profile("suite"), max_examples=1_000, stateful_step_count=100)
settings.load_profile("suite")


def stateful(examples: int, steps: int = 30) -> settings:
    """So many examples of so many steps in the suite, those of the profile in a longer run.

    In the suite a failure is told as it was met: to make it short takes minutes.
    """
    if settings().max_examples != settings.get_profile("suite").max_examples:
        return settings()
    met = [phase for phase in Phase if phase not in (Phase.shrink, Phase.explain)]
    return settings(max_examples=examples, stateful_step_count=steps, phases=met)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--every-pair", action="store_true", help="each room of the store on each server with each driver"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """With CI=true a skipped test is a failed one: there, everything that tests need must be there."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"with CI=true a skip is a failure: {reason}"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """pytest-xdist 3.8 names a test's group in an attribute that pytest 9.2 no longer reads: groups fall apart."""
    if not config.getoption("--every-pair"):
        left_out = [
            item for item in items if item.nodeid.startswith(ROOMS) and _backend(item) in NOT_IN_ROOMS
        ]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
    for item in items:
        grouped = vars(item).get("_nodeid")
        if grouped is not None and grouped != item.nodeid:
            item._id = type(item._id).parse(grouped)  # type: ignore[attr-defined]


def _backend(item: pytest.Item) -> str:
    """Of a test of the store's; "" where it has none."""
    callspec = getattr(item, "callspec", None)
    params = {} if callspec is None else callspec.params
    return str(next((params[one] for one in ("bench", "store_url", "any_mongo") if one in params), ""))


Starter = Callable[[Path], ServerProcess]


def _serve(name: str, make: Starter, folders: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    lacking = servers.missing(name)
    if lacking:
        pytest.skip(f"missing: {lacking}")
    server = make(folders.mktemp(name))
    try:
        yield server.start()
    finally:
        server.stop()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Shared by the tests of this process: leave it running. For kill tests make your own with servers.valkey()."""
    yield from _serve("valkey", servers.valkey, tmp_path_factory)


@pytest.fixture(scope="session")
def mongo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """SecantusDB, shared: leave it running."""
    yield from _serve("secantus", servers.secantus, tmp_path_factory)


@pytest.fixture(scope="session")
def mongo_java_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """mongo-java-server on an H2 file, shared: leave it running. For kill tests make your own: servers.mongo_java()."""
    yield from _serve("mongo-java", servers.mongo_java, tmp_path_factory)


@pytest.fixture
def redis_url(request: pytest.FixtureRequest) -> str:
    """An empty Redis database."""
    if REDIS_URL:
        with redis.Redis.from_url(REDIS_URL) as client:
            client.flushdb()
        return REDIS_URL
    server: ServerProcess = request.getfixturevalue("redis_server")
    return server.new_database()


@pytest.fixture
def mongo_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of an empty MongoDB database, its name in the path; SecantusDB unless MONGODB_URL says otherwise."""
    yield from _mongo_database(request, "mongo_server")


@pytest.fixture
def mongo_java_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """As mongo_url, on the imitation that stands load and concurrency."""
    yield from _mongo_database(request, "mongo_java_server")


@pytest.fixture(params=SPOKEN)
def any_mongo(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of an empty database, once on each MongoDB there is and with each driver."""
    server, _, driver = request.param.partition("-")
    fixture = "mongo_java_server" if server == "java" else "mongo_server"
    for url in _mongo_database(request, fixture):
        yield servers.spoken_to_with(url, driver or "motor")


@pytest.fixture(params=MONGOS)
def each_mongo(request: pytest.FixtureRequest) -> Iterator[str]:
    """As any_mongo, but once on each server, the drivers taken in turn: for what does not depend on both."""
    java = request.param == "java"
    for url in _mongo_database(request, "mongo_java_server" if java else "mongo_server"):
        yield servers.spoken_to_with(url, "pymongo" if java else "motor")


def _mongo_database(request: pytest.FixtureRequest, fixture: str) -> Iterator[str]:
    if not MONGODB_URL:
        server: ServerProcess = request.getfixturevalue(fixture)
        yield server.new_database()
        return
    database = f"intents_test_{os.urandom(6).hex()}"
    url = servers.mongo_database_url(MONGODB_URL, database)
    yield url
    with pymongo.MongoClient[dict[str, object]](url) as client:
        client.drop_database(database)
