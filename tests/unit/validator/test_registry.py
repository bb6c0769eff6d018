"""The registry: what its file may say, and what is let in then."""

import json
from typing import Any

import pytest

from services.common.domain.outcomes import TokenInfo
from services.validator.registry import (
    MAX_FILE_BYTES,
    MAX_LISTED,
    MAX_PAIRS,
    MAX_TOKENS,
    WORKSHOP,
    Registry,
    RegistryError,
    read_registry,
)

USDC: dict[str, Any] = {"id": "USDC", "symbol": "USDC", "decimals": 6}


def written(*tokens: dict[str, Any], **beside: Any) -> bytes:
    return json.dumps({"tokens": list(tokens) or [USDC], **beside}).encode()


def test_everything_a_file_may_say() -> None:
    registry = read_registry(
        written(
            {
                **USDC,
                "min_amount": "1000",
                "max_amount": str(2**128 - 1),
                "pairs": ["NEAR", "nep141:wrap.near"],
            },
            {"id": "nep141:wrap.near", "symbol": "wNEAR", "decimals": 24, "paused": True},
            {**USDC, "id": "nep245:mt.near:a:b", "min_amount": None, "pairs": None},
            denied_tokens=["usdt.near"],
            allowed_accounts=["alice.near"],
            denied_accounts=[],
        )
    )
    assert registry.tokens[0] == TokenInfo(
        id="USDC",
        symbol="USDC",
        decimals=6,
        min_amount=1000,
        max_amount=2**128 - 1,
        pairs=("NEAR", "wrap.near"),
    )
    assert (registry.tokens[1].paused, registry.tokens[2].min_amount) == (True, None)
    assert registry.find("wrap.near") is registry.find("nep141:wrap.near") is registry.tokens[1]
    assert registry.denied_tokens == {"usdt.near"}
    assert registry.allowed_accounts == {"alice.near"}
    assert len(registry.digest) == 12


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "strict JSON"),
        (b"{", "strict JSON"),
        (b"\xff", "UTF-8"),
        (b"[" * 100_000, "nested"),
        (b" " * (MAX_FILE_BYTES + 1), "longer"),
        (b'{"tokens": [], "tokens": []}', "duplicate key"),
        (b"[]", "must be an object"),
        (b"{}", "tokens: "),
        (b'{"tokens": {}}', "tokens: "),
        (b'{"tokens": []}', "tokens: "),
        (b'{"tokens": [1]}', "tokens[0]: "),
        (json.dumps({"tokens": [1] * (MAX_TOKENS + 1)}).encode(), "tokens: at most"),
        (written(USDC, {**USDC, "symbol": "X"}), "USDC is there twice"),
        (written({**USDC, "id": "x.near"}, {**USDC, "id": "nep141:x.near"}), "nep141:x.near is there twice"),
        (written({"symbol": "A", "decimals": 1}), "tokens[0].id: "),
        (written({**USDC, "id": "US DC"}), "tokens[0].id: "),
        (written({**USDC, "id": "Ü"}), "tokens[0].id: "),
        (written({**USDC, "id": "x" * 400}), "tokens[0].id: "),
        (written({**USDC, "symbol": ""}), "tokens[0].symbol: "),
        (written({**USDC, "symbol": 7}), "tokens[0].symbol: "),
        (written({**USDC, "decimals": 39}), "tokens[0].decimals: "),
        (written({**USDC, "decimals": -1}), "tokens[0].decimals: "),
        (written({**USDC, "decimals": "6"}), "tokens[0].decimals: "),
        (written({**USDC, "decimals": 6.5}), "tokens[0].decimals: "),
        (written({**USDC, "decimals": True}), "tokens[0].decimals: "),
        (written(USDC, {**USDC, "id": "X", "min_amount": 5}), "tokens[1].min_amount: "),
        (written({**USDC, "min_amount": "0"}), "tokens[0].min_amount: "),
        (written({**USDC, "min_amount": "05"}), "tokens[0].min_amount: "),
        (written({**USDC, "max_amount": str(2**128)}), "tokens[0].max_amount: "),
        (written({**USDC, "max_amount": "1e9"}), "tokens[0].max_amount: "),
        (written({**USDC, "min_amount": "2", "max_amount": "1"}), "tokens[0].max_amount: "),
        (written({**USDC, "pairs": "NEAR"}), "tokens[0].pairs: "),
        (written({**USDC, "pairs": []}), "tokens[0].pairs: "),
        (written({**USDC, "pairs": ["a b"]}), "tokens[0].pairs: "),
        (written({**USDC, "pairs": ["A"] * (MAX_PAIRS + 1)}), "tokens[0].pairs: at most"),
        (written({**USDC, "paused": "yes"}), "tokens[0].paused: "),
        (written({**USDC, "pause": True}), "tokens[0].pause: no such key"),
        (written(allow=[]), "allow: no such key"),
        (written(allowed_tokens=[]), "allowed_tokens: an empty list"),
        (written(denied_tokens=[1]), "denied_tokens: "),
        (written(denied_accounts=["Alice"]), "denied_accounts: 'Alice'"),
        (written(denied_accounts=["aa"] * (MAX_LISTED + 1)), "denied_accounts: at most"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_told_where_and_why(data: bytes, said: str) -> None:
    with pytest.raises(RegistryError) as caught:
        read_registry(data)
    text = str(caught.value)
    assert said in text
    assert len(text) < 300 and text.isprintable() and text.isascii()


def test_what_the_workshop_knows() -> None:
    for token in ("NEAR", "wNEAR", "USDC", "wrap.near", "nep141:wrap.near", "nep141:any.near"):
        assert WORKSHOP.knows(token)
    for token in ("INVALID", "any.near", "nep141:USDC", "nep171:a.near:1", "nep141:A"):
        assert not WORKSHOP.knows(token)


def test_unknown_tokens_by_standard() -> None:
    every = Registry(unknown=frozenset(("nep141", "nep171", "nep245", "imt")))
    none = Registry(unknown=frozenset())
    for token in ("nep141:any.near", "nep171:a.near:1", "nep245:a.near:1:2", "imt:a.near:1"):
        assert every.knows(token) and not none.knows(token)
    assert none.knows("nep141:wrap.near"), "the other name of a token that is known"
    assert not every.knows("nep171:a.near") and not every.knows("any.near")


def test_lists_know_a_token_by_both_of_its_names() -> None:
    registry = Registry(denied_tokens=frozenset(("usdc.near",)))
    assert not registry.lets_token("usdc.near") and not registry.lets_token("nep141:usdc.near")
    assert registry.lets_token("USDC")
    assert "usdc.near" not in {token.id for token in registry.usable}
    only = Registry(allowed_tokens=frozenset(("usdc.near", "USDC")), denied_tokens=frozenset(("USDC",)))
    assert [token.id for token in only.usable] == ["usdc.near"], "what is denied is denied"
    assert only.lets_token("nep141:usdc.near") and not only.lets_token("NEAR")


def test_lists_of_accounts() -> None:
    assert Registry().lets_account("bob.near")
    registry = Registry(
        allowed_accounts=frozenset(("a.near", "b.near")), denied_accounts=frozenset(("b.near",))
    )
    assert [name for name in ("a.near", "b.near", "c.near") if registry.lets_account(name)] == ["a.near"]


def test_pairs_bound_only_the_token_given() -> None:
    bound = TokenInfo(id="nep141:usdc.near", symbol="USDC", decimals=6, pairs=("nep141:wrap.near",))
    registry = Registry(tokens=(bound, TokenInfo(id="NEAR", symbol="NEAR", decimals=24)))
    assert registry.lets_pair("usdc.near", "wrap.near")
    assert not registry.lets_pair("usdc.near", "NEAR")
    assert registry.lets_pair("NEAR", "usdc.near")
