"""Settings from the environment: every type, every complaint, the help table."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

import pytest

from services.common.config import ServiceSettings, load, setting, settings_of


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, kw_only=True)
class Base:
    port: int = setting(8080, unit="port", minimum=0, maximum=65_535, help="Where to listen")
    ratio: float = setting(0.5, minimum=0, maximum=1, help="A share")


@dataclass(frozen=True, kw_only=True)
class Settings(Base):
    port: int = setting(9090, unit="port", minimum=0, maximum=65_535, help="Where to listen")
    url: str = setting(secret=True, help="The database")
    loud: bool = setting(False, help="More output")
    folder: Path | None = setting(None, help="Where files go")
    names: tuple[str, ...] = setting(("a", "b"), help="Some names")
    picks: tuple[str, ...] = setting((), choices=("x", "y"), help="Some of these")
    colour: Colour = setting(Colour.RED, help="A colour")
    mode: Literal["fast", "safe"] = setting("safe", help="A mode")
    other: str = setting("", env="ELSEWHERE", help="Read from elsewhere")

    def check(self) -> str | None:
        return "RATIO: must be 0 when LOUD is true" if self.loud and self.ratio else None


def loaded(**env: str) -> Settings:
    return load(Settings, prog="toy", env={"URL": "db://", **env}, argv=[])


def complaint(capsys: pytest.CaptureFixture[str], argv: tuple[str, ...] = (), **env: str) -> str:
    with pytest.raises(SystemExit) as left:
        load(Settings, prog="toy", env=env, argv=argv)
    out, err = capsys.readouterr()
    assert left.value.code == 2 and out == "" and err.count("\n") == 1
    return err.rstrip("\n")


def test_defaults_and_the_subclass_wins() -> None:
    made = loaded()
    assert (made.port, made.ratio, made.names, made.folder, made.colour) == (
        9090,
        0.5,
        ("a", "b"),
        None,
        Colour.RED,
    )


def test_every_type_is_read() -> None:
    made = loaded(
        PORT="0", RATIO="0", LOUD="TRUE", FOLDER="/tmp/x", NAMES=" a , c,,", PICKS="y,x", COLOUR="blue",
        MODE="fast", ELSEWHERE="here",
    )  # fmt: skip
    assert (made.port, made.ratio, made.loud, made.folder) == (0, 0.0, True, Path("/tmp/x"))
    assert (made.names, made.picks, made.colour, made.mode, made.other) == (
        ("a", "c"), ("y", "x"), Colour.BLUE, "fast", "here",
    )  # fmt: skip
    assert loaded(FOLDER="").folder is None and loaded(NAMES="").names == ()


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"PORT": "http"}, "toy: PORT: 'http' is not a whole number; expected: 0 to 65535 (port)"),
        ({"PORT": ""}, "toy: PORT: '' is not a whole number; expected: 0 to 65535 (port)"),
        ({"PORT": "70000"}, "toy: PORT: '70000' is out of range; expected: 0 to 65535 (port)"),
        ({"PORT": "9" * 5_000}, "is not a whole number"),
        ({"RATIO": "nan"}, "toy: RATIO: 'nan' is not a number; expected: 0 to 1"),
        ({"LOUD": "yes"}, "toy: LOUD: 'yes' is not a switch; use true or false"),
        ({"COLOUR": "green"}, "toy: COLOUR: 'green' is not allowed; choose from red, blue"),
        ({"MODE": "slow\nx"}, "toy: MODE: 'slow\\nx' is not allowed; choose from fast, safe"),
        ({"PICKS": "x,z"}, "toy: PICKS: 'x,z' is not allowed; choose from x, y"),
        ({"LOUD": "1"}, "toy: RATIO: must be 0 when LOUD is true"),
    ],
)
def test_a_bad_value_is_one_line(capsys: pytest.CaptureFixture[str], env: dict[str, str], said: str) -> None:
    assert said in complaint(capsys, URL="db://", **env)


def test_what_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert complaint(capsys) == "toy: URL: is required (The database)"


def test_an_argument_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "unknown argument '--prot'" in complaint(capsys, argv=("--prot",), URL="db://")


def test_secrets_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert "hunter2" not in repr(loaded(URL="hunter2"))

    @dataclass(frozen=True, kw_only=True)
    class Pin:
        pin: int = setting(1234, secret=True, help="A secret number")

    with pytest.raises(SystemExit):
        load(Pin, prog="toy", env={"PIN": "hunter2"}, argv=[])
    with pytest.raises(SystemExit):
        load(Pin, prog="toy", env={}, argv=["--help"])
    out, err = capsys.readouterr()
    assert "hunter2" not in err and "1234" not in out and "(hidden)" in out


def test_help_is_an_aligned_table(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        load(Settings, prog="toy", env={}, argv=["--help"])
    out = capsys.readouterr().out
    rows = out.splitlines()[2:]
    assert left.value.code == 0
    assert [row.split()[0] for row in rows[1:]] == [spec.name for spec in settings_of(Settings)]
    column = rows[0].index("MEANING")
    for row, spec in zip(rows[1:], settings_of(Settings), strict=True):
        assert row[column:].startswith(spec.help) and row[column - 1] == " "
    assert "(red | blue)" in out and "required" in out


def test_every_common_setting_says_what_it_means() -> None:
    specs = settings_of(ServiceSettings)
    assert all(spec.help and spec.name == spec.field.upper() and not spec.required for spec in specs)
    assert {spec.name: spec.default for spec in specs}["DEFAULT_DEADLINE_MS"] == 5_000
    assert all(spec.unit for spec in specs if spec.name.endswith("_MS"))
