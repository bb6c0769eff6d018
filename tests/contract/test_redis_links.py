"""Each form of REDIS_URL opens what it names, for the cache and for the rate limiter, with TLS and passwords."""

import asyncio
import json
import os
import secrets
import signal
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.cache.adapters.redis import RedisLevel
from services.cache.model import Entry
from services.cache.ports import SharedUnavailable
from services.common.config import load
from services.common.redis.address import Address, AddressError, Kind, parse
from services.common.redis.link import Link, open_redis
from services.common.redis.settings import RedisSettings
from services.edge.limits.redis import RedisRateLimiter
from tests.harness import redis_shapes, servers
from tests.harness.redis_shapes import Authority
from tests.harness.servers import ServerProcess
from tests.harness.wait import eventually
from tests.unit.cache.fakes import status

PASSWORD = "hunter2 /@:%"
IDS = [f"id-{number}" for number in range(30)]
"""Enough that each node of a cluster has some."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lacking = servers.missing("valkey")
    if lacking:
        pytest.skip(f"missing: {lacking}")
    return tmp_path_factory.mktemp("redis")


@pytest.fixture(scope="module")
def files(folder: Path) -> Authority:
    return redis_shapes.authority(folder / "tls")


@pytest.fixture(scope="module")
def guarded_server(folder: Path) -> Iterator[ServerProcess]:
    """With a password, and a user `suite` who may do only what the suite needs."""
    hashed = (
        f'user suite on ">{PASSWORD}" ~intent:* ~ratelimit:* +@read +@write +@scripting +@connection +time'
    )
    server = redis_shapes.server(folder / "guarded", f'requirepass "{PASSWORD}"', hashed)
    try:
        yield server.start()
    finally:
        server.kill9()


def opened(settings: RedisSettings, timeout: float = 5.0) -> Link:
    assert settings.redis_complaint() is None
    link = open_redis(settings, timeout=timeout)
    assert link is not None
    return link


def level_of(link: Link) -> RedisLevel:
    return RedisLevel(link, expire_seconds=30, corrupt=lambda why: None)


def entries(version: int) -> list[Entry]:
    return [Entry(status=status(one, version), read_at_ms=version) for one in IDS]


async def serves(settings: RedisSettings) -> None:
    """Whether statuses are kept by version and attempts are counted."""
    level = level_of(opened(settings))
    await level.forget(IDS)
    await level.put(entries(3))
    await level.put(entries(2))
    assert list(await level.get([*IDS, "other"])) == [*entries(3), None]
    await level.close()
    limiter = RedisRateLimiter(opened(settings), maximum=3, window=60.0, timeout=5.0)
    for subject in (f"1.2.3.4 {secrets.token_hex(4)}", f"principal:{{a}} {secrets.token_hex(4)}"):
        assert [await limiter.take(subject) for _ in range(3)] == [None] * 3
        assert await limiter.take(subject) is not None
    await limiter.aclose()


async def test_a_password_may_come_by_url_environment_or_file(
    guarded_server: ServerProcess, tmp_path: Path
) -> None:
    port = guarded_server.url.rpartition(":")[2]
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n", encoding="utf-8")
    encoded = "hunter2%20%2F%40%3A%25"
    for settings in (
        RedisSettings(redis_url=f"redis://:{encoded}@127.0.0.1:{port}"),
        RedisSettings(redis_url=f"redis://127.0.0.1:{port}", redis_password=PASSWORD),
        RedisSettings(redis_url=f"redis://127.0.0.1:{port}", redis_password_file=file),
    ):
        level = level_of(opened(settings))
        await level.put(entries(1))
        assert None not in await level.get(IDS)
        await level.forget(IDS)
        await level.close()
    await serves(RedisSettings(redis_url=f"redis://suite@127.0.0.1:{port}", redis_password_file=file))


async def test_a_password_file_that_changes_counts_for_new_connections(
    guarded_server: ServerProcess, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("of yesterday", encoding="utf-8")
    level = level_of(opened(RedisSettings(redis_url=guarded_server.url, redis_password_file=file)))
    with pytest.raises(SharedUnavailable) as refused:
        await level.get(["a"])
    assert str(refused.value) == "AuthenticationError"
    file.write_text(PASSWORD, encoding="utf-8")
    assert list(await level.get(["a"])) == [None]
    await level.close()


async def refused(settings: RedisSettings) -> None:
    """By the handshake: everything else is right."""
    level = level_of(opened(settings))
    try:
        with pytest.raises(SharedUnavailable) as told:
            await level.get(["a"])
        assert str(told.value) == "ConnectionError"
    finally:
        await level.close()


async def test_tls_is_checked_against_the_ca_that_is_named(
    guarded_server: ServerProcess, files: Authority, tmp_path: Path
) -> None:
    async with redis_shapes.tls(guarded_server, files) as port:
        url = f"rediss://suite@127.0.0.1:{port}"
        await serves(RedisSettings(redis_url=url, redis_password=PASSWORD, redis_ca_file=files.ca))
        other = redis_shapes.authority(tmp_path).ca
        for ca in (other, None):
            await refused(RedisSettings(redis_url=url, redis_password=PASSWORD, redis_ca_file=ca))


async def test_tls_is_checked_for_the_host_that_was_asked_for(
    guarded_server: ServerProcess, tmp_path: Path
) -> None:
    elsewhere = redis_shapes.authority(tmp_path, host="127.0.0.2")
    async with redis_shapes.tls(guarded_server, elsewhere) as port:
        url = f"rediss://suite@127.0.0.1:{port}"
        await refused(RedisSettings(redis_url=url, redis_password=PASSWORD, redis_ca_file=elsewhere.ca))


@pytest.mark.timeout(90)
async def test_p07_a_sentinel_leads_to_the_new_master(folder: Path) -> None:
    with redis_shapes.sentinel(folder / "sentinel") as (url, processes):
        await serves(RedisSettings(redis_url=url))
        level = level_of(opened(RedisSettings(redis_url=url), timeout=0.5))
        await level.put(entries(1))
        processes["master"].kill9()

        async def written_again() -> bool:
            try:
                await level.put(entries(2))
                return list(await level.get(IDS)) == entries(2)
            except SharedUnavailable:
                return False

        assert not await written_again()
        await eventually(written_again, 30)
        with redis_shapes.client(processes["replica"]) as promoted:
            assert json.loads(promoted.get("intent:id-0:status"))["version"] == 2
        await level.close()


@pytest.mark.timeout(90)
async def test_p07_a_cluster_goes_on_with_the_nodes_it_has(folder: Path) -> None:
    with redis_shapes.cluster(folder / "cluster") as (url, nodes):
        await serves(RedisSettings(redis_url=url))
        level = level_of(opened(RedisSettings(redis_url=url), timeout=0.5))
        await level.put(entries(1))
        held = [redis_shapes.keys(node, "intent:*") for node in nodes]
        assert all(held) and sum(map(len, held)) == len(IDS)
        nodes[0].kill9()

        async def two_thirds() -> bool:
            try:
                found = await level.get(IDS)
            except SharedUnavailable:
                return False
            return {f"intent:{one}:status" for one, entry in zip(IDS, found, strict=True) if entry} == (
                held[1] | held[2]
            )

        await eventually(two_thirds, 30)
        with pytest.raises(SharedUnavailable):
            await level.put(entries(2))
        nodes[0].start()

        async def all_written() -> bool:
            try:
                await level.put(entries(3))
                return list(await level.get(IDS)) == entries(3)
            except SharedUnavailable:
                return False

        await eventually(all_written, 30)
        await level.close()


@pytest.mark.timeout(90)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_p07_a_cluster_fails_over(folder: Path, how: signal.Signals) -> None:
    """Also where its old master takes connections and answers nothing."""
    with redis_shapes.cluster(folder / f"failover-{how.name}", replica=True) as (url, nodes):
        level = level_of(opened(RedisSettings(redis_url=url), timeout=0.5))
        await level.put(entries(1))
        assert redis_shapes.keys(nodes[0], "intent:*")
        os.kill(nodes[0].pid, how)

        async def all_written() -> bool:
            try:
                await level.put(entries(2))
                return list(await level.get(IDS)) == entries(2)
            except SharedUnavailable:
                return False

        assert not await all_written()
        await eventually(all_written, 30)
        await level.close()


@asynccontextmanager
async def silent_port() -> AsyncIterator[int]:
    """Accepts and never answers."""
    over, closed = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()
        await writer.wait_closed()
        closed.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    over.set()
    await closed.wait()
    server.close()


async def test_p07_the_limiter_gives_up_in_time_in_every_form() -> None:
    async with silent_port() as port:
        for url in ("redis://{}", "redis+sentinel://{}/s", "redis+cluster://{}", "rediss://{}"):
            settings = RedisSettings(redis_url=url.format(f"127.0.0.1:{port}"))
            limiter = RedisRateLimiter(opened(settings), maximum=1, window=60.0, timeout=0.05)
            with pytest.raises(Exception, match="Redis"):
                await asyncio.wait_for(limiter.take("a"), 10)
            await limiter.aclose()


def test_urls_are_read() -> None:
    assert parse("redis://h") == Address(kind=Kind.SERVER, nodes=(("h", 6379),))
    assert parse("rediss://u:p%40@h:1/2") == Address(
        kind=Kind.SERVER, tls=True, nodes=(("h", 1),), db=2, username="u", password="p@"
    )
    assert parse("redis+sentinel://:p@a,b:7/s/3") == Address(
        kind=Kind.SENTINEL, nodes=(("a", 26379), ("b", 7)), service="s", db=3, password="p"
    )
    assert parse("rediss+cluster://a:1,[::1]:2") == Address(
        kind=Kind.CLUSTER, tls=True, nodes=(("a", 1), ("::1", 2))
    )
    assert parse("unix:///run/redis.sock?db=4") == Address(kind=Kind.UNIX, path="/run/redis.sock", db=4)
    assert "secret" not in repr(parse("redis://:secret@h"))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3cret",
        "http://s3cret",
        "redis:/s3cret",
        "redis://",
        "redis://:s3cret",
        "redis://:s3cret/@h",
        "redis://a@s3cret@h",
        "redis://:s3cret@a,b",
        "redis://:s3cret@h:99999",
        "redis://:s3cret@h/x",
        "redis://:s3cret@h/1/2",
        "redis://:s3cret@h/1234567",
        "redis://:s3cret@h?socket_timeout=9",
        "redis://:s3cret@h?db=one",
        "redis://:s3cret#@h",
        "redis+sentinel://:s3cret@h",
        "redis+sentinel://:s3cret@h/s/0/0",
        "redis+cluster://:s3cret@h/1",
        "unix://s3cret",
    ],
)
def test_a_url_that_is_none_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(AddressError) as refused:
        parse(url)
    assert "s3cret" not in str(refused.value)


def test_settings_that_contradict_each_other_end_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty, binary, text = tmp_path / "empty", tmp_path / "binary", tmp_path / "text"
    empty.write_bytes(b" \n")
    binary.write_bytes(b"\xff\xfe")
    text.write_text("s3cret", encoding="utf-8")
    url = {"REDIS_URL": "rediss://h"}
    for env, complaint in (
        ({"REDIS_URL": "redis://:s3cret@h", "REDIS_PASSWORD": "s3cret"}, "REDIS_PASSWORD: give one of it"),
        (url | {"REDIS_PASSWORD": "s3cret", "REDIS_PASSWORD_FILE": str(text)}, "REDIS_PASSWORD: give one"),
        (url | {"REDIS_PASSWORD_FILE": str(tmp_path / "none")}, "REDIS_PASSWORD_FILE: cannot be read"),
        (url | {"REDIS_PASSWORD_FILE": str(empty)}, "REDIS_PASSWORD_FILE: is empty"),
        (url | {"REDIS_PASSWORD_FILE": str(binary)}, "REDIS_PASSWORD_FILE: is not text"),
        (url | {"REDIS_CA_FILE": str(text)}, "REDIS_CA_FILE: cannot be read as certificates"),
        ({"REDIS_URL": "redis://h", "REDIS_CA_FILE": str(text)}, "REDIS_CA_FILE: is for rediss://"),
        (
            url | {"REDIS_SENTINEL_PASSWORD": "s3cret", "REDIS_SENTINEL_PASSWORD_FILE": str(text)},
            "REDIS_SENTINEL_PASSWORD: give it or",
        ),
    ):
        with pytest.raises(SystemExit) as ended:
            load(_Checked, prog="cache", env=env, argv=[])
        told = capsys.readouterr().err
        assert ended.value.code == 2
        assert told.startswith(f"cache: {complaint}") and told.count("\n") == 1 and "s3cret" not in told


class _Checked(RedisSettings):
    def check(self) -> str | None:
        return self.redis_complaint()


def test_no_client_is_made_without_checks_of_tls(files: Authority) -> None:
    for form in ("rediss://h", "rediss+sentinel://h/s", "rediss+cluster://h"):
        link = opened(RedisSettings(redis_url=form, redis_ca_file=files.ca))
        kwargs = (
            link.client.connection_kwargs if link.clustered else link.client.connection_pool.connection_kwargs
        )
        assert kwargs["ssl_cert_reqs"] in ("required", ssl.CERT_REQUIRED)
        assert kwargs["ssl_ca_certs"] == str(files.ca)
