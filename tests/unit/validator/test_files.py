"""The files a validator goes by, changed while it runs."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from services.common.config import SettingError, load
from services.common.observe import Observe
from services.common.rpc.runtime import run
from services.validator.app import build, open_validator
from services.validator.config import ValidatorSettings
from services.validator.registry import MAX_FILE_BYTES
from services.validator.service import Validator
from tests.harness.ticks import TickClock
from tests.unit.validator.support import FakeViews


def written(*names: str) -> bytes:
    return json.dumps({"tokens": [{"id": name, "symbol": name, "decimals": 6} for name in names]}).encode()


@dataclass
class Room:
    """A validator, its file, the clock it looks by, and what it shows of itself."""

    validator: Validator
    file: Path
    clock: TickClock
    observe: Observe

    async def known(self) -> list[str]:
        """The tokens in force after the next look."""
        await self.clock.tick()
        return [token.id for token in (await self.validator.rules()).tokens]

    def shown(self, metric: str) -> float | None:
        text = generate_latest(self.observe.registry).decode()
        return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(metric)), None)


def settings(**env: str) -> ValidatorSettings:
    return load(ValidatorSettings, prog="validator", env=env, argv=[])


@asynccontextmanager
async def room(file: Path, **env: str) -> AsyncIterator[Room]:
    clock, observe = TickClock(), Observe(service="validator")
    made = settings(TOKEN_REGISTRY_FILE=str(file), TOKEN_REGISTRY_POLL_MS="250", **env)
    async with open_validator(made, FakeViews(), clock, observe) as validator:
        yield Room(validator, file, clock, observe)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens.json"
    path.write_bytes(written("A"))
    return path


async def test_a_change_is_in_force_at_the_next_look(file: Path) -> None:
    async with room(file) as here:
        assert await here.known() == ["A"]
        assert here.shown("validator_registry_tokens") == 1
        digest = (await here.validator.rules()).registry
        file.write_bytes(written("A", "B"))
        assert await here.known() == ["A", "B"]
        assert (await here.validator.rules()).registry != digest
        assert here.shown("validator_registry_tokens") == 2
        assert here.shown('validator_file_reads_total{file="token_registry",outcome="taken"}') == 1
        assert set(here.clock.asked) == {0.25}


async def test_a_change_of_the_same_size_and_time_is_seen(file: Path) -> None:
    async with room(file) as here:
        before = file.stat()
        file.write_bytes(written("B"))
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        after = file.stat()
        assert (after.st_size, after.st_mtime_ns, after.st_ino) == (
            before.st_size,
            before.st_mtime_ns,
            before.st_ino,
        )
        assert await here.known() == ["B"]


async def test_an_old_file_is_read_only_when_it_changed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.utime(file, (1_700_000_000, 1_700_000_000))
    async with room(file) as here:
        await here.clock.tick()
        reads: list[int] = []
        monkeypatch.setattr(
            "services.validator.adapters.watched._digest", lambda data: reads.append(1) or b""
        )
        await here.clock.tick(), await here.clock.tick()
        assert reads == []
        os.utime(file, (1_700_000_001, 1_700_000_001))
        await here.clock.tick()
        assert reads


async def test_a_symlink_swapped_as_a_config_map_is_seen(tmp_path: Path) -> None:
    def version(name: str, *tokens: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokens.json").write_bytes(written(*tokens))
        os.utime(tmp_path / name / "tokens.json", (1_700_000_000, 1_700_000_000))
        (tmp_path / "..data_tmp").symlink_to(name)
        os.replace(tmp_path / "..data_tmp", tmp_path / "..data")

    version("..1", "A")
    (tmp_path / "tokens.json").symlink_to("..data/tokens.json")
    async with room(tmp_path / "tokens.json") as here:
        assert await here.known() == ["A"]
        version("..2", "B")  # as large and as old as the other
        shutil.rmtree(tmp_path / "..1")
        assert await here.known() == ["B"]


def _folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


BROKEN: dict[str, Callable[[Path], object]] = {
    "half written": lambda file: file.write_bytes(written("A", "B")[:-9]),
    "empty": lambda file: file.write_bytes(b""),
    "a wrong entry": lambda file: file.write_bytes(written("A", "A")),
    "too large": lambda file: file.write_bytes(written("A") + b" " * MAX_FILE_BYTES),
    "gone": lambda file: file.unlink(),
    "a folder": _folder,
    "a pipe": _pipe,
    "a loop": lambda file: (file.unlink(), file.symlink_to(file.name)),
}


@pytest.mark.parametrize("what", BROKEN)
async def test_a_bad_new_file_keeps_the_old_one_and_says_so_once(
    what: str, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with room(file) as here:
        BROKEN[what](file)
        for _ in range(3):
            assert await here.known() == ["A"]
        said = [record for record in caplog.records if record.message == "file.refused"]
        assert len(said) == 1
        assert str(file) in here.observe.notes["token_registry"]
        assert here.shown('validator_file_refused{file="token_registry"}') == 1
        assert here.shown('validator_file_reads_total{file="token_registry",outcome="refused"}') == 1
        if file.is_dir():
            file.rmdir()
        else:
            file.unlink(missing_ok=True)
        file.write_bytes(written("C"))
        assert await here.known() == ["C"]
        assert here.observe.notes == {}
        assert here.shown('validator_file_refused{file="token_registry"}') == 0


async def test_what_is_in_force_put_back_settles_it(file: Path) -> None:
    os.utime(file, (1_700_000_000, 1_700_000_000))
    async with room(file) as here:
        aside = file.rename(file.with_name("aside"))
        assert await here.known() == ["A"]
        assert here.observe.notes
        aside.rename(file)
        assert await here.known() == ["A"]
        assert here.observe.notes == {}
        assert here.shown('validator_file_reads_total{file="token_registry",outcome="taken"}') is None


async def test_a_fault_of_our_own_ends_no_watch(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with room(file) as here:
        with monkeypatch.context() as broken:
            broken.setattr("services.validator.adapters.watched.os.fstat", lambda number: 1 // 0)
            assert await here.known() == ["A"]
            assert "ZeroDivisionError" in here.observe.notes["token_registry"]
        file.write_bytes(written("B"))
        assert await here.known() == ["B"]


async def test_settings_and_file_bound_together(file: Path) -> None:
    file.write_bytes(written("A", "B", "C").replace(b"{", b'{"denied_tokens": ["A"], ', 1))
    async with room(file, DENIED_TOKENS="B", UNKNOWN_TOKENS="nep171,imt", DENIED_ACCOUNTS="eve.near") as here:
        assert await here.known() == ["C"]
        assert (await here.validator.rules()).unknown_tokens == ("nep171", "imt")
        assert not here.validator.book.registry.lets_account("eve.near")
        file.write_bytes(written("A", "B", "C"))
        assert await here.known() == ["A", "C"]


@pytest.mark.parametrize("what", BROKEN)
async def test_a_bad_file_at_the_start_is_one_line_and_code_2(
    what: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    BROKEN[what](file)
    made = settings(TOKEN_REGISTRY_FILE=str(file), PORT="0", ADMIN_PORT="0")
    assert await run("validator", made, build, TickClock(), asyncio.Event()) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"validator: TOKEN_REGISTRY_FILE: {file}: ")
    assert shown.count("\n") == 1


async def test_no_watch_outlives_its_validator(file: Path) -> None:
    before = asyncio.all_tasks()
    async with room(file):
        assert len(asyncio.all_tasks()) == len(before) + 1
    assert asyncio.all_tasks() == before
    with pytest.raises(SettingError, match="TOKEN_REGISTRY_FILE"):
        async with room(file.with_name("none")):
            raise AssertionError("not reached")
