"""What bounds a fault: names, count, skip, chance from a seed, blocks; and a file of them."""

import json
from pathlib import Path

import pytest

from services.devnet.faults import KINDS, Faults, Occasion, ScenarioError, load_scenario, read_rule

SEND = Occasion(rpc="send_tx", signer="relayer.near", methods=("verify_and_solve",), intents=("a",))


def test_a_count_ends_it_and_then_it_is_gone() -> None:
    faults = Faults()
    faults.add({"fault": "refuse", "count": 2, "id": "r"})
    assert [faults.strikes("refuse") is not None for _ in range(4)] == [True, True, False, False]
    assert faults.rules() == [] and not faults.any


def test_it_strikes_only_what_it_is_bounded_to() -> None:
    faults = Faults()
    faults.add(
        {
            "fault": "lose_transaction",
            "rpc": ["send_tx", "broadcast_tx_async"],
            "intent": "a",
            "signer": "relayer.near",
        }
    )
    other = [
        Occasion(rpc="tx", signer="relayer.near", intents=("a",)),
        Occasion(rpc="send_tx", signer="bob.near", intents=("a",)),
        Occasion(rpc="send_tx", signer="relayer.near", intents=("b",)),
        Occasion(rpc="send_tx", signer="relayer.near"),
    ]
    assert [faults.strikes("lose_transaction", one) for one in other] == [None] * 4
    assert faults.strikes("refuse", SEND) is None, "another kind"
    assert faults.strikes("lose_transaction", SEND) is not None
    assert (faults.rules()[0]["seen"], faults.rules()[0]["struck"]) == (1, 1)


def test_skipped_occasions_pass_first() -> None:
    faults = Faults()
    faults.add({"fault": "timeout", "skip": 2, "count": 1})
    assert [faults.strikes("timeout") is not None for _ in range(4)] == [False, False, True, False]


def test_chance_comes_from_the_seed_and_counts_what_struck() -> None:
    def drawn(seed: int) -> list[bool]:
        faults = Faults()
        faults.add({"fault": "slow", "probability": 0.5, "seed": seed, "count": 20})
        return [faults.strikes("slow") is not None for _ in range(100)]

    assert drawn(7) == drawn(7) != drawn(8)
    assert sum(drawn(7)) == 20 and drawn(7)[::-1].index(True) + 100 > 20


def test_it_begins_and_ends_by_blocks() -> None:
    faults, heights = Faults(), [10]
    faults.height = lambda: heights[-1]
    faults.add({"fault": "refuse", "after_blocks": 2, "for_blocks": 3})
    struck = {}
    for height in range(10, 18):
        heights.append(height)
        struck[height] = faults.strikes("refuse") is not None
    assert [height for height, hit in struck.items() if hit] == [12, 13, 14]
    assert not faults.any, "what is over is taken away"


def test_the_first_rule_that_strikes_is_used_and_an_id_replaces() -> None:
    faults = Faults()
    faults.add({"fault": "slow", "id": "one", "ms": 1, "count": 1})
    faults.add({"fault": "slow", "id": "two", "ms": 2})
    faults.add({"fault": "slow", "id": "two", "ms": 3})
    given = [faults.strikes("slow") for _ in range(2)]
    assert [rule and rule.number("ms") for rule in given] == [1, 3]
    assert (faults.clear("two"), faults.clear("two"), faults.any) == (1, 0, False)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ([], "a rule is an object"),
        ({}, "fault: one of slow"),
        ({"fault": "sloe"}, "fault: one of slow"),
        ({"fault": "stall", "signer": "bob.near"}, "signer: stall takes nothing"),
        ({"fault": "slow", "ms": -1}, "ms: a whole number"),
        ({"fault": "slow", "ms": True}, "ms: a whole number"),
        ({"fault": "slow", "ms": 1.5}, "ms: a whole number"),
        ({"fault": "garble", "how": "loudly"}, "how: one of cut"),
        ({"fault": "slow", "rpc": []}, "rpc: a text or a list of texts"),
        ({"fault": "slow", "rpc": [1]}, "rpc: a text or a list of texts"),
        ({"fault": "slow", "count": 0}, "count: a whole number from 1"),
        ({"fault": "slow", "probability": 1.1}, "probability: a number from 0 to 1"),
        ({"fault": "slow", "probability": True}, "probability: a number from 0 to 1"),
        ({"fault": "slow", "id": "a b"}, "id: 1 to 64"),
        ({"fault": "slow", "seed": "x"}, "seed: a whole number"),
    ],
)
def test_a_rule_that_cannot_be_is_named(given: object, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        read_rule(given)


def test_a_scenario_is_json_or_yaml(tmp_path: Path) -> None:
    rules = [
        {"fault": "timeout", "rpc": "send_tx", "count": 1},
        {"fault": "lag", "node": "slow", "blocks": 5},
    ]
    as_json, as_yaml = tmp_path / "s.json", tmp_path / "s.yaml"
    as_json.write_text(json.dumps({"faults": rules}))
    as_yaml.write_text(
        "faults:\n- {fault: timeout, rpc: send_tx, count: 1}\n- fault: lag\n  node: slow\n  blocks: 5\n"
    )
    read = []
    for path in (as_json, as_yaml):
        faults = Faults()
        load_scenario(path, faults)
        read.append(faults.rules())
    assert read[0] == read[1]
    assert [rule["fault"] for rule in read[0]] == ["timeout", "lag"]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("s.json", "{", "Expecting"),
        ("s.json", "[]", "one list, faults"),
        ("s.json", '{"faults": [{"fault": "slow"}, {"fault": "?"}]}', "rule 2: fault: one of"),
        ("s.yaml", "faults: [", "expected"),
        ("s.yaml", "faults: !!python/object:os.system x", "could not determine a constructor"),
        ("none.json", None, "No such file"),
    ],
)
def test_a_scenario_that_cannot_be_is_named(tmp_path: Path, name: str, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ScenarioError, match=says):
        load_scenario(tmp_path / name, Faults())


def test_the_page_lists_every_fault() -> None:
    page = (Path(__file__).parents[3] / "docs" / "devnet.md").read_text()
    assert [name for name in KINDS if f"| `{name}`" not in page] == []
