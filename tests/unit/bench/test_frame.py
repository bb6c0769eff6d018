"""Rows, turns and medians: what decides whether a goal is met."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench import __main__ as command
from bench.edge.run import Measured as Side
from bench.edge.run import _count, _report
from bench.frame import BenchError, Options, Report, Row, median_ratio, turns


def test_each_side_takes_every_place_in_turn() -> None:
    orders = [order for _, order in turns(["a", "b", "c"], 4)]
    assert orders == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"], ["a", "b", "c"]]


def test_what_counts_is_the_median_of_ratios_within_rounds() -> None:
    # the machine got four times slower in the last round; both sides did
    assert median_ratio([300, 330, 75], [100, 110, 25]) == 3
    with pytest.raises(BenchError):
        median_ratio([1], [1, 2])
    with pytest.raises(BenchError):
        median_ratio([], [])


def test_a_goal_is_the_least() -> None:
    assert Row(name="a", measured=2.5, goal=2.5).met is True
    assert Row(name="a", measured=2.49, goal=2.5).met is False
    assert Row(name="a", measured=0.1).met is None


def test_or_the_most() -> None:
    assert Row(name="a", measured=1.3, goal=1.3, at_most=True).met is True
    assert Row(name="a", measured=1.31, goal=1.3, at_most=True).met is False
    assert Row(name="a", measured=1.31, at_most=True).met is None
    table = Report(bench="x", rows=[Row(name="a", measured=1.4, goal=1.3, at_most=True)]).table()
    assert "| a | at most 1.3 | 1.40 | NO |" in table


def test_the_file_holds_name_goal_measured_met() -> None:
    report = Report(bench="x", rows=[Row(name="a", measured=3.0, goal=2.5), Row(name="b", measured=1.0)])
    found = json.loads(report.to_json())
    assert found["met"] is True
    assert found["rows"] == [
        {"name": "a", "goal": 2.5, "measured": 3.0, "met": True},
        {"name": "b", "goal": None, "measured": 1.0, "met": None},
    ]
    assert "| a | at least 2.5 | 3.00 | yes |" in report.table()


@pytest.mark.parametrize(("measured", "code"), [(2.6, 0), (2.4, 1)])
def test_a_missed_goal_is_exit_code_1(
    measured: float,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def bench(options: Options) -> Report:
        return Report(bench="edge", rows=[Row(name="speed", measured=measured, goal=2.5)])

    monkeypatch.setitem(command.BENCHES, "edge", bench)
    assert command.main(["edge", "--quick", "--json", str(tmp_path / "found.json")]) == code
    assert "speed" in capsys.readouterr().out
    assert json.loads((tmp_path / "found.json").read_text())["met"] is (code == 0)


def test_a_run_that_proves_nothing_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def bench(options: Options) -> Report:
        raise BenchError("one intent is missing")

    monkeypatch.setitem(command.BENCHES, "edge", bench)
    assert command.main(["edge"]) == 1
    shown = capsys.readouterr()
    assert shown.err == "bench edge: one intent is missing\n"
    assert shown.out == ""


def database(path: Path, ids: list[str], events: int) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE intents (id TEXT)")
        connection.execute("CREATE TABLE events (sequence INTEGER)")
        connection.executemany("INSERT INTO intents VALUES (?)", [(one,) for one in ids])
        connection.executemany("INSERT INTO events VALUES (?)", [(one,) for one in range(events)])
        connection.commit()
    return path


def test_a_missing_or_foreign_intent_or_event_fails_the_run(tmp_path: Path) -> None:
    _count(database(tmp_path / "good.db", ["edge-0", "edge-1"], 2), "edge", 2)
    for name, ids, events in (
        ("lost", ["edge-0"], 1),
        ("foreign", ["edge-0", "naive-1"], 2),
        ("silent", ["edge-0", "edge-1"], 1),
    ):
        with pytest.raises(BenchError, match="2 submissions"):
            _count(database(tmp_path / f"{name}.db", ids, events), "edge", 2)


def test_the_goal_is_on_throughput_against_the_naive_side() -> None:
    def side(rate: float) -> Side:
        return Side(rate=[rate], cpu=[1 / rate], lone_ms=[1.0], batched=[rate], by_process=[{}], sent=1)

    report = _report({"edge": side(300), "naive": side(100), "bare": side(1_000)})
    goals = [row for row in report.rows if row.goal is not None]
    assert [(row.measured, row.met) for row in goals] == [(3.0, True)]
