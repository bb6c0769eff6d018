"""For each rule on signed messages, by its name, one that it alone refuses."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from services.common.domain.intent import Submission
from services.common.domain.outcomes import TokenInfo
from services.common.domain.signedjson import signed_from_json
from services.common.encoding import b64encode
from services.validator.ids import TOKEN_STANDARDS
from services.validator.registry import Registry
from tests.differential import webauthn
from tests.harness.standards import StandardWallet
from tests.unit.validator.alone import versioned
from tests.unit.validator.bare.support import (
    CAROL,
    NONCE,
    SWAP,
    TRANSFER,
    WITHDRAW,
    bare,
    chain,
    message,
)
from tests.unit.validator.support import FakeViews

TON: Final = StandardWallet("ton_connect", "carol")
PASSKEY: Final = StandardWallet("webauthn", "carol")
LATE: Final = 1_800_000_000
MOST: Final = str(2**128 - 1)
MINT: Final = {"intent": "imt_mint", "receiver_id": "bob.near", "tokens": {"t": "1"}}
CALL: Final = {"intent": "auth_call", "contract_id": "c.near", "msg": ""}
A: Final = TokenInfo(id="a.near", symbol="A", decimals=6)


@dataclass(frozen=True, kw_only=True)
class Input:
    """What is handed in, under which rule book, and what the chain knows then."""

    submission: Submission
    book: Mapping[str, Any] = field(default_factory=dict)
    views: Callable[[], FakeViews] = chain


def of(*intents: Any, **changes: Any) -> Input:
    return Input(submission=bare(message(*intents, **changes)), views=lambda: chain(salts={b"salt"}))


def text(raw: str) -> Input:
    return Input(submission=bare(raw))


def ruled(one: Input, **registry: Any) -> Input:
    return replace(one, book={"registry": Registry(**({"unknown": frozenset(TOKEN_STANDARDS)} | registry))})


def data(**changes: Any) -> Input:
    """A good message with parts of its signed data put in another's place."""
    submission = bare(message(SWAP))
    assert submission.signed_data is not None
    return Input(submission=replace(submission, signed_data=replace(submission.signed_data, **changes)))


def deep_client() -> Input:
    raw = json.dumps(message(SWAP, wallet=PASSKEY))
    signed = webauthn.signed(raw, PASSKEY.key, client=webauthn.deep(32))
    return Input(
        submission=Submission(intent=None, signed_data=signed_from_json(signed)), views=lambda: chain(PASSKEY)
    )


def alone() -> dict[str, Input]:
    """Made anew at each call."""
    whole = json.dumps(message(SWAP))
    other = bare(message(TRANSFER)).signed_data
    assert other is not None
    stranger = StandardWallet("raw_ed25519", "mallory")
    return {
        "message-size": text(whole + " " * 16_384),
        "message-depth": text(whole[:-1] + f',"x":{"[" * 32}{"]" * 32}}}'),
        "message-keys": text(whole[:-1] + ',"x":1,"x":2}'),
        "message-numbers": text(whole[:-1] + f',"x":{"1" * 65}}}'),
        "intents-count": of(*[{"intent": "set_auth_by_predecessor_id", "enabled": True}] * 65),
        "tokens-count": of({**TRANSFER, "tokens": {f"nep141:{number:03}.near": "1" for number in range(129)}}),
        "objects-by-name": of(["set_auth_by_predecessor_id", True]),
        "notification-readable": of({**TRANSFER, "msg": 5}),
        "account-allowed": ruled(of(SWAP), denied_accounts=frozenset((CAROL.account_id,))),
        "tokens-named": of({**TRANSFER, "tokens": {}}),
        "amounts-paired": of(
            {"intent": "mt_withdraw", "token": "m.near", "receiver_id": "bob.near", "token_ids": ["x"], "amounts": []}
        ),
        "transfer-to-another": of({**TRANSFER, "receiver_id": CAROL.account_id}),
        "gas-within-limit": of({**WITHDRAW, "min_gas": str(10**15 + 1)}),
        "imt-id-length": of({**MINT, "tokens": {"é" * 64: "1"}}),
        "token-id-length": of({**TRANSFER, "tokens": {f"nep171:n.near:{'é' * 64}": "1"}}),
        "tokens-known": ruled(of({**TRANSFER, "tokens": {"nep245:m.near:1": "1"}}), unknown=frozenset(("nep141",))),
        "tokens-allowed": ruled(of(SWAP), denied_tokens=frozenset(("b.near",))),
        "tokens-not-paused": ruled(of(SWAP), tokens=(replace(A, paused=True),)),
        "pairs-allowed": ruled(of(SWAP), tokens=(replace(A, pairs=("nep141:c.near",)),)),
        "amounts-not-zero": of({**WITHDRAW, "storage_deposit": "0"}),
        "nft-amounts": of({**TRANSFER, "tokens": {"nep171:n.near:1": "2"}}),
        "amounts-bounded": ruled(of(SWAP), tokens=(replace(A, max_amount=999),)),
        "sums-in-range": of({**WITHDRAW, "amount": MOST}, {**WITHDRAW, "amount": "1"}),
        "standard-known": data(standard="RAW_ED25519"),
        "payload-form": data(standard="ton_connect"),
        "public-key-readable": data(public_key="ed25519:0OIl"),
        "signature-readable": data(signature="ed25519:0OIl"),
        "assertion-valid": Input(
            submission=bare(message(SWAP, wallet=PASSKEY), PASSKEY, flags=0), views=lambda: chain(PASSKEY)
        ),
        "client-data-depth": deep_client(),
        "signature-valid": data(signature=other.signature),
        "message-json": text("[]"),
        "message-fields": of(SWAP, deadline=7),
        "intent-kinds": of({"intent": "plain"}),
        "account-forms": of({**WITHDRAW, "receiver_id": "Bob.near"}),
        "token-id-forms": of({**TRANSFER, "tokens": {"nep171:n.near": "1"}}),
        "amount-forms": of({**WITHDRAW, "amount": "1.5"}),
        "public-key-forms": of({"intent": "add_public_key", "public_key": "ed25519:1"}),
        "nonce-form": of(SWAP, nonce=b64encode(bytes(31))),
        "deadline-readable": of(SWAP, deadline="tomorrow"),
        "timestamp-before-deadline": Input(
            submission=bare(message(SWAP, wallet=TON), TON, timestamp=LATE), views=lambda: chain(TON)
        ),
        "recipient": of(SWAP, verifying_contract="other.near"),
        "deadline-ahead": of(SWAP, deadline="2026-11-23T12:00:00Z"),
        "deadline-near": of(SWAP, deadline="2026-11-24T12:00:00.000000001Z"),
        "deadline-far-enough": replace(
            of(SWAP, deadline="2026-11-23T12:00:59.999999999Z"), book={"min_lifetime_ns": 60 * 10**9}
        ),
        "key-registered": Input(
            submission=bare(message(SWAP, signer_id=CAROL.account_id), stranger),
        ),
        "nonce-salt": of(SWAP, nonce=b64encode(versioned(salt=b"tlas"))),
        "nonce-outlives-deadline": of(SWAP, nonce=b64encode(versioned(after=timedelta(minutes=9)))),
        "nonce-unused": replace(of(SWAP), views=lambda: chain(used={(CAROL.account_id, NONCE)})),
        "key-changes": of({"intent": "add_public_key", "public_key": CAROL.public_key}),
        "simulation": replace(of(SWAP), book={"simulate": True}, views=lambda: chain(words="is paused")),
    }  # fmt: skip
