"""For each rule, by its name, an input that it alone refuses."""

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from services.common.clock import to_ns
from services.common.domain.intent import Submission
from services.common.domain.outcomes import TokenInfo
from services.validator.adapters.prices import FilePrices
from services.validator.ports import NO_PRICES, Price, Prices
from services.validator.registry import Registry
from services.validator.rules.chain import VERSIONED
from tests.differential import webauthn
from tests.harness.signing import VERIFIER, Wallet, to_domain
from tests.harness.standards import StandardWallet
from tests.unit.validator.messages import body_of, message
from tests.unit.validator.support import ALICE, NOW, SOON, FakeViews, signed

MALLORY: Final = Wallet("mallory")
BOB: Final = Wallet("bob", account_id="bob.near")
UPPER: Final = Wallet("alice", account_id="A.near")
USDC: Final = TokenInfo(id="USDC", symbol="USDC", decimals=6)
NEAR: Final = TokenInfo(id="NEAR", symbol="NEAR", decimals=24)
NONCE: Final = b"\7" * 32


@dataclass(frozen=True, kw_only=True)
class Input:
    """What is handed in, under which rule book, and what the chain knows then."""

    submission: Submission
    book: Mapping[str, Any] = field(default_factory=dict)
    views: Callable[[], FakeViews] = FakeViews
    prices: Prices = NO_PRICES


def versioned(*, salt: bytes = b"salt", after: timedelta = timedelta(minutes=10), version: int = 0) -> bytes:
    """A nonce whose own deadline lies `after` NOW."""
    return VERSIONED[:4] + bytes([version]) + salt + struct.pack("<q", to_ns(NOW + after)) + bytes(15)


def _body(body: Mapping[str, Any]) -> Input:
    return Input(submission=to_domain(body))


def _signed(**changes: Any) -> Input:
    return _body(signed(**changes))


def _message(*, nonce: bytes = NONCE, recipient: str = VERIFIER, **changes: Any) -> Input:
    return Input(
        submission=to_domain(body_of(message(**changes), nonce=nonce, recipient=recipient)),
        views=lambda: FakeViews(salts={b"salt"}),
    )


def _data(**changes: Any) -> Input:
    """Alice's intent with parts of its signed data put in another's place."""
    submission = to_domain(signed())
    assert submission.signed_data is not None
    return Input(submission=replace(submission, signed_data=replace(submission.signed_data, **changes)))


def _ruled(one: Input, **registry: Any) -> Input:
    """The same under a registry of its own."""
    return replace(one, book={"registry": Registry(**registry)})


def _priced(amount: str, *, wanted: str) -> Input:
    """So many USDC at 1, wanted NEAR at 2, at half a percent's slippage and a margin of a percent."""
    at = to_ns(NOW)
    prices = FilePrices({
        "USDC": Price(units=1, exponent=0, at_ns=at), "NEAR": Price(units=2000, exponent=-3, at_ns=at)
    })  # fmt: skip
    least = int(Decimal(wanted) * 10**24)
    body = signed(input_amount=f"{amount}000000", min_output_amount=str(least), max_slippage=0.5)
    return replace(_body(body), prices=prices)


def _holding(units: str) -> FakeViews:
    return FakeViews(balances={(ALICE.account_id, "USDC"): int(units)})


def _slippage(bps: int) -> Input:
    text = json.dumps(message(intents=[{"intent": "plain", **ALICE.fields(id="m", max_slippage=bps // 100)}]))
    return _body({**body_of(text), "max_slippage": bps // 100})


def _key_beside_erc191() -> Input:
    wallet = StandardWallet("erc191", "alone")
    submission = to_domain(wallet.sign_plain(deadline=SOON))
    assert submission.signed_data is not None
    return Input(
        submission=replace(
            submission, signed_data=replace(submission.signed_data, public_key=wallet.public_key)
        )
    )


def _inner_deadline() -> Input:
    fields = ALICE.fields(id="m", deadline="2026-11-23T12:09:00Z")
    text = json.dumps(message(intents=[{"intent": "plain", **fields}]))
    return _body({**fields, "signed_data": ALICE.sign_message(text)})


def _deep_client() -> Input:
    wallet = StandardWallet("webauthn", "alone")
    body = wallet.sign_plain(deadline=SOON)
    text = body["signed_data"]["payload"]
    return _body(body | {"signed_data": webauthn.signed(text, wallet.key, client=webauthn.deep(32))})


def alone() -> dict[str, Input]:
    """Made anew at each call."""
    return {
        "required-fields": _signed(id=""),
        "id-form": _signed(id="a b"),
        "account-form": replace(
            _body(UPPER.sign_plain(deadline=SOON)),
            views=lambda: FakeViews(keys={(UPPER.account_id, UPPER.public_key)}),
        ),
        "account-allowed": _ruled(_signed(), denied_accounts=frozenset((ALICE.account_id,))),
        "action-known": _signed(action="stake"),
        "input-token-known": _signed(input_token="INVALID"),
        "output-token-known": _signed(output_token="INVALID"),
        "tokens-allowed": _ruled(_signed(), denied_tokens=frozenset(("NEAR",))),
        "tokens-not-paused": _ruled(_signed(), tokens=(replace(USDC, paused=True), NEAR)),
        "tokens-differ": _signed(input_token="usdc.near", output_token="nep141:usdc.near"),
        "pair-allowed": _ruled(_signed(), tokens=(replace(USDC, pairs=("ETH",)), NEAR)),
        "input-amount-form": _signed(input_amount="1.5"),
        "input-amount-range": _signed(input_amount="0"),
        "input-amount-least": _ruled(_signed(input_amount="9"), tokens=(replace(USDC, min_amount=10), NEAR)),
        "input-amount-most": _ruled(_signed(input_amount="11"), tokens=(replace(USDC, max_amount=10), NEAR)),
        "min-output-form": _signed(min_output_amount="01"),
        "min-output-range": _signed(min_output_amount=str(2**128)),
        "slippage-range": _slippage(10_100),
        "min-output-reachable": _priced("102", wanted="51.6"),
        "min-output-slippage": _priced("98", wanted="48.2"),
        "signature-required": _body(ALICE.fields()),
        "standard-known": _data(standard="NEP413"),
        "public-key-readable": _data(public_key="ed25519:0OIl"),
        "signature-readable": _data(signature="ed25519:0OIl"),
        "assertion-valid": _body(StandardWallet("webauthn", "alone").sign_plain(deadline=SOON, flags=0)),
        "client-data-depth": _deep_client(),
        "signature-valid": _data(signature=ALICE.sign_message("another")["signature"]),
        "payload-form": _key_beside_erc191(),
        "callback-url-ascii": _body(body_of(message(), callback_url="https://wallet.example/é")),
        "envelope-ascii": _body(
            StandardWallet("ton_connect", "alone").sign_plain(deadline=SOON, domain="münze.example")
        ),
        "message-size": _body(body_of(json.dumps(message()) + " " * 20_000)),
        "message-readable": _message(extra=1),
        "nonce-form": _message(nonce=bytes(31)),
        "timestamp-before-deadline": _body(
            StandardWallet("ton_connect", "alone").sign_plain(
                deadline=SOON, timestamp=int(SOON.timestamp()) + 1
            )
        ),
        "recipient": _message(recipient="other.near"),
        "network": _message(network="mainnet"),
        "deadline-readable": _message(deadline="tomorrow"),
        "deadline-ahead": _message(deadline="2026-11-23T12:00:00Z"),
        "deadline-near": _message(deadline="2026-11-24T12:00:00.000000001Z"),
        "deadline-far-enough": replace(
            _message(deadline="2026-11-23T12:00:59.999999999Z"), book={"min_lifetime_ns": 60 * 10**9}
        ),
        "deadline-agrees": _inner_deadline(),
        "fields-agree": _body({**body_of(message()), "input_amount": "1"}),
        "signer": _message(signer_id=MALLORY.account_id),
        "key-derives-account": _body(
            {**body_of(message()), "signed_data": MALLORY.sign_message(json.dumps(message()))}
        ),
        "key-registered": _body(BOB.sign_plain(deadline=SOON)),
        "nonce-salt": _message(nonce=versioned(salt=b"tlas")),
        "nonce-outlives-deadline": _message(nonce=versioned(after=timedelta(minutes=9))),
        "balance-covers": replace(
            _signed(), book={"check_balance": True}, views=lambda: _holding("99999999")
        ),
        "output-registered": replace(
            _signed(output_token="nep141:wrap.near"), book={"check_registration": True}
        ),
        "simulation": replace(
            _signed(), book={"simulate": True}, views=lambda: FakeViews(words="no balance")
        ),
        "nonce-unused": Input(
            submission=to_domain(body_of(message())),
            views=lambda: FakeViews(used={(ALICE.account_id, NONCE)}),
        ),
    }
