"""What reads the usual message in C says nothing that the exact reader does not say."""

import json
from dataclasses import replace
from typing import Any, Final

from hypothesis import event, given
from hypothesis import strategies as st

from services.common.domain.intent import Nep413Payload, PlainIntent, SignedData
from services.common.encoding import b64url_unpadded
from services.validator import message, usual
from services.validator.message import MessageError, SignedMessage, fields_of
from services.validator.standards import webauthn

NONCE: Final = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
DEADLINE: Final = "2026-11-23T12:10:00Z"
INTENT: Final = PlainIntent(
    id="i", user_account="alice.near", action="swap", input_token="USDC", input_amount="100", output_token="NEAR",
    min_output_amount="95", max_slippage_bps=50, deadline_ns=1_795_435_800 * 10**9,
)  # fmt: skip
FIELDS: Final = {
    "intent": '"plain"', "id": '"i"', "user_account": '"alice.near"', "action": '"swap"', "input_token": '"USDC"',
    "input_amount": '"100"', "output_token": '"NEAR"', "min_output_amount": '"95"', "max_slippage": "0.5",
    "deadline": f'"{DEADLINE}"',
}  # fmt: skip
OPTIONAL: Final = {
    "min_output_amount": "min_output_amount",
    "max_slippage": "max_slippage_bps",
    "deadline": "deadline_ns",
}
AROUND: Final = {
    "signer_id": '"alice.near"', "network": '"localnet"', "deadline": f'"{DEADLINE}"',
    "verifying_contract": '"verifier.near"', "nonce": f'"{NONCE}"',
}  # fmt: skip
CHALLENGE: Final = bytes(range(32))
CLIENT: Final = {
    "type": '"webauthn.get"', "challenge": f'"{b64url_unpadded(CHALLENGE)}"', "origin": '"http://localhost"'
}  # fmt: skip
BLANKS: Final = st.sampled_from(["", "", "", " ", "\n", "\t "])
ODD: Final = st.sampled_from([
    "null", "true", "0", "-0", "1", "0.50", "0.500", "5e-1", "0.5e0", "50", "1e400", "9" * 70, "NaN", "[]", "{}", '""',
    '"\\u0069"', '"i"', '"é"', '"0.5"', '[{"a":1}]', '"max_slippage"', '{"max_slippage":0.5}', f'"{DEADLINE}"',
    '"2026-11-23T12:10:00+00:00"', "1795435800000000000", '":0.5,"', "0.5,", '"x":1', "\x00", '"\x7f"', "",
])  # fmt: skip
NAMES: Final = st.sampled_from([*FIELDS, *AROUND, "intents", "extra", "max_slippage ", "\\u0069d", ""])


@st.composite
def spoilt(draw: st.DrawFn, members: dict[str, str]) -> str:
    """An object of these members, in an order, most often with all of them once and as they are."""
    pairs = draw(st.permutations(list(members.items())))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2]))):
        change, at = draw(st.integers(0, 3)), draw(st.integers(0, max(len(pairs) - 1, 0)))
        if change == 0:
            pairs.insert(at, (draw(NAMES), draw(ODD)))
        elif change == 1 and pairs:
            pairs[at] = (pairs[at][0], draw(ODD))
        elif change == 2 and pairs:
            pairs.insert(draw(st.integers(0, len(pairs))), pairs[at])
        elif pairs:
            del pairs[at]
    blank = draw(BLANKS)
    return (
        f"{{{blank}"
        + f",{blank}".join(f'"{name}"{blank}:{blank}{value}' for name, value in pairs)
        + f"{blank}}}"
    )


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, bool, PlainIntent]:
    """A message's text, whether an envelope goes around it, and the intent that was sent."""
    left_out = draw(st.sets(st.sampled_from([*OPTIONAL])))
    intent = replace(INTENT, **{OPTIONAL[name]: None for name in left_out})
    inner = draw(spoilt({name: value for name, value in FIELDS.items() if name not in left_out}))
    enveloped = draw(st.booleans())
    around = (
        {name: AROUND[name] for name in ("signer_id", "network", "deadline")} if enveloped else dict(AROUND)
    )
    around["intents"] = f"[{inner}]" if draw(st.integers(0, 15)) else f"[{inner},{inner}]"
    text = draw(spoilt(around))
    if draw(st.integers(0, 15)) == 0:
        at = draw(st.integers(0, len(text) - 1))
        text = text[:at] + draw(st.characters(codec="utf-8")) + text[at + draw(st.integers(0, 1)) :]
    return text, enveloped, intent


def signed_of(text: str, enveloped: bool) -> SignedData:
    payload = Nep413Payload(message=text, nonce=bytes(32), recipient="verifier.near") if enveloped else text
    return SignedData(standard="", payload=payload, public_key="", signature="")


@given(texts())
def test_p10_the_quick_reader_of_messages_says_what_the_exact_one_says(
    drawn: tuple[str, bool, PlainIntent],
) -> None:
    text, enveloped, intent = drawn
    signed = signed_of(text, enveloped)
    quick = usual.read(signed, intent)
    event("read" if quick else "left")
    if quick is None:
        return
    exact = message.read(signed)
    assert quick == exact._replace(repeats=intent)
    assert exact.fields == fields_of(intent)


@given(spoilt({**CLIENT, "crossOrigin": "false"}))
def test_p10_the_quick_reader_of_client_data_says_what_the_exact_one_says(text: str) -> None:
    for one in (text, json.dumps(text)):
        if webauthn._usual(one, CHALLENGE):
            event("read")
            assert webauthn._client_fault(one, CHALLENGE) is None


@given(st.sampled_from([",", ", "]), st.sampled_from([":", ": "]), st.booleans())
def test_what_wallets_send_is_read_quickly(comma: str, colon: str, enveloped: bool) -> None:
    inner = {name: json.loads(value) for name, value in FIELDS.items()}
    names = list(AROUND)[:3] if enveloped else list(AROUND)
    value: dict[str, Any] = {name: json.loads(AROUND[name]) for name in names} | {"intents": [inner]}
    signed = signed_of(json.dumps(value, separators=(comma, colon)), enveloped)
    assert quick_and_exact(signed) == (True, True)


def quick_and_exact(signed: SignedData) -> tuple[bool, bool]:
    try:
        exact: SignedMessage | None = message.read(signed)
    except MessageError:
        exact = None
    return usual.read(signed, INTENT) is not None, exact is not None


def test_p09_a_key_that_came_twice_is_left_to_the_exact_reader() -> None:
    inner = ",".join(f'"{name}":{value}' for name, value in FIELDS.items())
    around = ",".join(f'"{name}":{value}' for name, value in AROUND.items())
    for name in FIELDS:
        for first in ('"other"', "1.5", "null", "{}"):
            doubled = signed_of(f'{{{around},"intents":[{{"{name}":{first},{inner}}}]}}', enveloped=False)
            assert quick_and_exact(doubled) == (False, False), (name, first)
    for name in [*AROUND, "intents"]:
        doubled = signed_of(f'{{"{name}":[],{around},"intents":[{{{inner}}}]}}', enveloped=False)
        assert quick_and_exact(doubled) == (False, False), name


def test_p09_a_number_counts_by_its_literal() -> None:
    for literal, taken in {"0.5": True, "0.50": True, "0.500": False, "5e-1": False, "0.5e0": False}.items():
        inner = ",".join(f'"{name}":{value}' for name, value in (FIELDS | {"max_slippage": literal}).items())
        around = ",".join(f'"{name}":{value}' for name, value in AROUND.items())
        signed = signed_of(f'{{{around},"intents":[{{{inner}}}]}}', enveloped=False)
        assert quick_and_exact(signed) == (taken, taken), literal
