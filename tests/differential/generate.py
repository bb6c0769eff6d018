"""Messages in all seven standards as wallets sign them, and as they come when something is wrong with them.

Every case follows from the seed and its number alone. What is signed is changed before signing, so that the judges get
past the signature; what the signature covers is also changed after it, so that they must not.
"""

import base64
import json
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.common.encoding import b58decode, b58encode
from tests.differential import edges, webauthn
from tests.harness.standards import STANDARDS, Key, StandardWallet, sign
from tests.harness.stopped import NOW

USED_NONCE: Final = b"\x11" * 32
NAMED: Final = "alice.near"
"""Has registered the keys of WALLETS that are named after it."""
STRANGER: Final = "stranger.near"
"""Has registered none."""

ORDERS: Final = {
    "secp256k1": 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
    "p256": 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
}


def wallet(standard: str, who: int) -> StandardWallet:
    """The same for the same numbers. Of three one is named and registered, one named and not."""
    account = (None, NAMED, STRANGER)[who % 3]
    curve = "ed25519" if standard == "webauthn" and who % 2 else None
    return StandardWallet(standard, f"wallet {who}", account_id=account, curve=curve)


@dataclass
class Draft:
    """One submission in the making: `fields` as sent, `message` as signed, `envelope` beside them."""

    chance: random.Random
    wallet: StandardWallet
    who: int
    now: datetime
    salt: bytes
    fields: dict[str, Any]
    message: dict[str, Any]
    nonce: bytes
    envelope: dict[str, Any] = field(default_factory=dict)
    text: Callable[[str], str] = str
    """Changes the message's text before it is signed."""
    after: Callable[[dict[str, Any]], None] = lambda signed: None
    """Changes the signed data."""

    @property
    def now_ns(self) -> int:
        return int(self.now.timestamp()) * 10**9

    def body(self) -> dict[str, Any]:
        """Of POST /api/intents."""
        message = self.message
        if self.wallet.standard != "nep413" and "nonce" in message:
            message = message | {"nonce": base64.b64encode(self.nonce).decode()}
        text = self.text(json.dumps(message, separators=(",", ":")))
        if "client" in self.envelope or "data" in self.envelope:
            signed = webauthn.signed(text, self.wallet.key, **self.envelope)
        else:
            signed = sign(self.wallet.standard, text, self.wallet.key, nonce=self.nonce, **self.envelope)
        self.after(signed)
        return self.fields | {"signed_data": signed}


def _rfc3339(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def draft(chance: random.Random, now: datetime, salt: bytes, number: int) -> Draft:
    """One that nothing is wrong with, but that its account may have registered no key."""
    standard = STANDARDS[number % len(STANDARDS)]
    who = chance.choice((0, 0, 0, 1, 2, 3, 3, 4, 5, 6, 9))
    signer = wallet(standard, who)
    fields = signer.fields(
        id=f"d-{number}",
        action=chance.choice(("swap", "transfer")),
        input_amount=str(chance.choice((1, 95, 10**8, 2**64, 2**128 - 1))),
        min_output_amount=chance.choice((None, "0", "1", str(2**100))),
        max_slippage=chance.choice((None, 0, 0.5, 99.99, 100)),
    )
    until = now + timedelta(minutes=chance.randint(10, 600))
    deadline: Any = chance.choice((
        _rfc3339(until),
        until.strftime("%Y-%m-%dT%H:%M:%S.%f") + "+00:00",
        (until + timedelta(hours=5, minutes=30)).strftime("%Y-%m-%dt%H:%M:%S") + "+05:30",
        int(until.timestamp()) * 10**9 + chance.randint(0, 10**9 - 1),
    ))  # fmt: skip
    if chance.random() < 0.2:
        fields["deadline"] = deadline
    message: dict[str, Any] = {
        "signer_id": signer.account_id, "network": "localnet", "deadline": deadline,
        "intents": [{"intent": "plain", **fields}],
    }  # fmt: skip
    if standard != "nep413":
        message |= {"verifying_contract": "verifier.near", "nonce": ""}
    return Draft(chance, signer, who, now, salt, fields, message, chance.randbytes(32))


# --- wrong before signing: both judges see a good signature ------------------------------------------------------


def _deadline(one: Draft) -> None:
    far = one.now + timedelta(days=400)
    one.message["deadline"] = one.chance.choice((
        _rfc3339(one.now), _rfc3339(one.now - timedelta(seconds=1)), _rfc3339(far), one.now_ns,
        one.now_ns + 1, one.now_ns - 1, 0, -1,
        "2026-11-23T12:30:00", "2026-11-23 12:30:00Z", "2026-02-30T00:00:00Z", "2026-11-23T12:30:00.1234567891Z",
        "2026-11-23T24:00:00Z", "2026-11-23T24:00:00.5+01:00", "2026-11-23T12:60:00Z", "2026-11-23T12:30:00-00:00",
        10**70, "2026-11-23T12:30:60Z", "2026-11-23T12:30:00+24:00", "1969-12-31T23:59:59Z",
        "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "9999-12-31T23:59:59-01:00", "", "soon", None, True,
        1.5, 2**63, 2**64, 10**30, [], {}, "+2026-11-23T12:30:00Z", "2026-11-23T12:30:00z", "2026-11-23T12:30:00,5Z",
    ))  # fmt: skip


def _inner_deadline(one: Draft) -> None:
    one.fields["deadline"] = one.chance.choice(
        (_rfc3339(one.now + timedelta(hours=11)), one.now_ns + 10**12, 0)
    )
    one.message["intents"] = [{"intent": "plain", **one.fields}]


def _network(one: Draft) -> None:
    one.message["network"] = one.chance.choice(("mainnet", "", "Localnet", None, 7, ["localnet"]))


def _recipient(one: Draft) -> None:
    other = one.chance.choice(("other.near", "", "verifier.near ", "VERIFIER.near", None, 5))
    if one.wallet.standard == "nep413":
        one.envelope["recipient"] = other if isinstance(other, str) else "x.near"
    else:
        one.message["verifying_contract"] = other


def _signer(one: Draft) -> None:
    one.message["signer_id"] = one.chance.choice(
        ("other.near", "", None, 3, one.wallet.account_id.upper(), "0x")
    )


def _both_signers(one: Draft) -> None:
    other = one.chance.choice(
        (NAMED, STRANGER, "ab" * 32, "0x" + "cd" * 20, "a", "UPPER.near", "a..b", "x" * 65)
    )
    one.message["signer_id"] = one.fields["user_account"] = other
    one.message["intents"] = [{"intent": "plain", **one.fields}]


def _nonce(one: Draft) -> None:
    later = one.now_ns + 10**9 * 10**6
    kind = one.chance.randrange(7)
    if kind == 0:
        one.nonce = USED_NONCE
    elif kind == 1 and one.wallet.standard != "nep413":
        bad = one.chance.choice(("", "AAAA", "!!", None, 5, base64.b64encode(bytes(31)).decode(), "A" * 43))
        one.text = lambda text: json.dumps(json.loads(text) | {"nonce": bad})
    elif kind == 2:
        one.nonce = one.chance.randbytes(one.chance.choice((0, 31, 33)))
    else:
        salt = one.chance.choice((one.salt, one.salt, b"none"))
        until = one.chance.choice((later, later, one.now_ns, one.now_ns + 10**9 * 61, -1))
        one.nonce = bytes.fromhex("5628f6c600") + salt + struct.pack("<q", until) + one.chance.randbytes(15)


def _intents(one: Draft) -> None:
    plain = {"intent": "plain", **one.fields}
    one.message["intents"] = one.chance.choice((
        [], None, {}, "plain", [plain, plain], [None], [[]], [{**plain, "intent": "transfer"}], [dict(one.fields)],
        [{**plain, "extra": 1}], [{**plain, "intent": 7}], [{**plain, "signed_data": None}], [plain, None],
    ))  # fmt: skip


def _signed_field(one: Draft) -> None:
    """The signed intent differs from the one that is sent."""
    name = one.chance.choice((*one.fields, "deadline", "min_output_amount", "max_slippage"))
    other = one.chance.choice((
        "other", "1", "01", "-1", "1e5", "", None, 0, 7, 0.5, 0.505, 100.01, 1000, 99999.5, 10**9, 10**70,
        True, [], {}, "0", str(2**128), "+1", " 1",
    ))  # fmt: skip
    one.message["intents"] = [{"intent": "plain", **one.fields, name: other}]


def _same_field(one: Draft) -> None:
    """Sent and signed alike, and wrong on both sides."""
    name, other = one.chance.choice((
        ("id", "with space"), ("id", "x" * 129), ("id", "x" * 128), ("id", "a\nb"), ("id", "a{b}"), ("id", ""),
        ("input_amount", "0"), ("input_amount", "007"), ("input_amount", str(2**128)), ("input_amount", "1e5"),
        ("input_amount", 5), ("min_output_amount", "-1"), ("min_output_amount", "00"), ("min_output_amount", ""),
        ("max_slippage", 101), ("max_slippage", -1), ("max_slippage", 0.001), ("max_slippage", "5"),
        ("max_slippage", True), ("action", "burn"), ("action", ""), ("input_token", "INVALID"),
        ("input_token", "nep141:"),
        ("input_token", "nep141:wrap.near"), ("output_token", "USDC"), ("output_token", ""), ("output_token", "é"),
        ("deadline", ""), ("deadline", 5), ("unknown", 1),
    ))  # fmt: skip
    one.fields[name] = other
    one.message["intents"] = [{"intent": "plain", **one.fields}]


def _message_key(one: Draft) -> None:
    one.message[one.chance.choice(("extra", "nonce", "verifying_contract", "recipient", "Intents"))] = "x"
    if one.chance.random() < 0.3:
        one.message.pop(one.chance.choice(tuple(one.message)))


def _message_text(one: Draft) -> None:
    chance = one.chance

    def change(text: str) -> str:
        return chance.choice((
            lambda: "\ufeff" + text,
            lambda: text[:-1] + ',"network":"localnet"}',
            lambda: text.replace('"localnet"', '"\\u006cocalnet"'),
            lambda: text.replace('"localnet"', '"localnet\\ud800"'),
            lambda: text.replace('"localnet"', '"lokalnet\\u00e9"'),
            lambda: text.replace('"localnet"', '"localn\u00e9t"'),
            lambda: text.replace(":", " : ").replace(",", " ,\r\n\t"),
            lambda: text + " ",
            lambda: text + "x",
            lambda: text[: chance.randrange(len(text))],
            lambda: "[" * 40 + text + "]" * 40,
            lambda: text[:-1] + ',"deep":' + "[" * 50 + "]" * 50 + "}",
            lambda: text[:-1] + ',"n":NaN}',
            lambda: text[:-1] + ',"n":-Infinity}',
            lambda: text.replace('"deadline"', '"deadline":1,"deadline"', 1),
            lambda: text.replace('"id":"d', '"id":"d\x00', 1),
            lambda: text.replace('"id":"d', '"id":"d\x1f', 1),
            lambda: text.replace("0.5", "5e-1").replace("99.99", "99.990").replace("100}", "1e2}"),
            lambda: text.replace("0.5", "0.50").replace("99.99", "+99.99").replace('":0,', '":-0,'),
            lambda: "",
            lambda: "null",
            lambda: json.dumps(text),
        ))()  # fmt: skip

    one.text = change


def _client(one: Draft) -> None:
    """An assertion that a browser or a liar might have made."""
    if one.wallet.standard == "webauthn":
        deep = (webauthn.deep(levels) for levels in (31, 32, 33, 127, 128, 2_000))
        one.envelope["client"] = one.chance.choice((*webauthn.CLIENTS, *deep))


def _data(one: Draft) -> None:
    if one.wallet.standard == "webauthn":
        flags = one.chance.choice((0x00, 0x01, 0x04, 0x05, 0x11, 0x19, 0x1D, 0x09, 0x10, 0xFF))
        one.envelope["data"] = bytes(32) + bytes([flags]) + bytes(one.chance.choice((3, 4, 4, 4, 40)))


def _ton(one: Draft) -> None:
    if one.wallet.standard != "ton_connect":
        return
    seconds = int(one.now.timestamp())
    one.envelope["timestamp"] = one.chance.choice((0, 1, seconds, seconds + 59, seconds + 86_400, 2**31))
    one.envelope["address"] = one.chance.choice(("0:" + "ab" * 32, "-1:" + "00" * 32, "7:" + "Ff" * 32))
    one.envelope["domain"] = one.chance.choice(("localhost", "a.example", "x" * 300))


# --- wrong after signing ------------------------------------------------------------------------------------------


def _sent_field(one: Draft) -> None:
    name = one.chance.choice((*one.fields, "min_output_amount", "max_slippage", "deadline"))
    one.fields[name] = one.chance.choice(
        ("other", "1", None, 0, 0.5, "0", 5, "9" * 38, "2026-11-23T13:00:00Z")
    )


def _bytes(one: Draft) -> None:
    """A bit of the key or of the signature, or a number that no signature has."""
    chance, curve = one.chance, one.wallet.key.curve
    name = chance.choice(("signature", "signature", "public_key"))

    def change(signed: dict[str, Any]) -> None:
        if name not in signed:
            return
        prefix, _, text = signed[name].partition(":")
        raw = bytearray(b58decode(text))
        order = ORDERS.get(curve)
        kind = chance.randrange(6) if order is not None and name == "signature" else 0
        if kind == 1:
            s = int.from_bytes(raw[32:64], "big")
            raw[32:64] = (order - s).to_bytes(32, "big")  # type: ignore[operator]
            if len(raw) == 65 and chance.random() < 0.5:
                raw[64] ^= 1
        elif kind == 2:
            raw[32:64] = chance.choice((bytes(32), b"\xff" * 32, order.to_bytes(32, "big")))  # type: ignore[union-attr]
        elif kind == 3:
            raw[:32] = chance.choice((bytes(32), b"\xff" * 32, order.to_bytes(32, "big")))  # type: ignore[union-attr]
        elif kind == 4 and len(raw) == 65:
            raw[64] = chance.choice((0, 1, 2, 3, 4, 27, 28, 255))
        else:
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        signed[name] = f"{prefix}:{b58encode(bytes(raw))}"

    one.after = change


def _spelling(one: Draft) -> None:
    """Of key and signature."""
    chance = one.chance
    name = chance.choice(("signature", "public_key"))

    def change(signed: dict[str, Any]) -> None:
        if name not in signed:
            return
        prefix, _, text = signed[name].partition(":")
        signed[name] = chance.choice((
            text, prefix.upper() + ":" + text, prefix.title() + ":" + text, "p256:" + text, "secp256k1:" + text,
            "ed25519:" + text, f"{prefix}:{text}1", f"{prefix}:1{text}", f"{prefix}: {text}", f"{prefix}:", "",
            f"{prefix}:{text[:-1]}", f"{prefix}:{text}0", f":{text}", f"{prefix}::{text}", "x" * 3000, f"{prefix}:zz",
        ))  # fmt: skip

    one.after = change


def _other_key(one: Draft) -> None:
    other = Key.of(one.wallet.key.curve, "another")

    def change(signed: dict[str, Any]) -> None:
        if "public_key" in signed:
            signed["public_key"] = other.text

    one.after = change


def _form(one: Draft) -> None:
    """Of the signed data as a whole."""
    chance = one.chance

    def change(signed: dict[str, Any]) -> None:
        kind = chance.randrange(8)
        if kind == 0:
            signed["standard"] = chance.choice((*STANDARDS, "eip712", "", "NEP413", None, 7))
        elif kind == 1:
            signed.pop(chance.choice(tuple(signed)))
        elif kind == 2:
            signed["extra"] = 1
        elif kind == 3:
            signed[chance.choice(tuple(signed))] = chance.choice((None, 7, [], {}, "", True))
        elif kind == 4:
            _payload_form(signed, chance)
        elif kind == 5 and "authenticator_data" in signed:
            signed["authenticatorData"] = signed.pop("authenticator_data")
            signed["clientDataJSON"] = signed.pop("client_data_json")
        elif kind == 6 and "authenticator_data" in signed:
            signed["authenticator_data"] += chance.choice(("=", "==", "===", "A", "+", "\n"))
        elif kind == 7 and "timestamp" in signed:
            signed["timestamp"] = chance.choice((
                str(signed["timestamp"]), _rfc3339(datetime.fromtimestamp(signed["timestamp"], UTC)), -1, 1.5, "x",
                True,
                f"+{signed['timestamp']}", f"0{signed['timestamp']}", None, 10**15, "1970-01-01T00:00:00Z",
            ))  # fmt: skip

    one.after = change


def _payload_form(signed: dict[str, Any], chance: random.Random) -> None:
    payload = signed["payload"]
    if isinstance(payload, str):
        signed["payload"] = chance.choice(
            (payload + " ", {"message": payload}, {"type": "text", "text": payload})
        )
        return
    name = chance.choice((*payload, "extra", "callbackUrl"))
    payload[name] = chance.choice(("x", None, 5, "text", "binary", base64.b64encode(bytes(32)).decode()))


BEFORE: Final = (
    _deadline, _inner_deadline, _network, _recipient, _signer, _both_signers, _nonce, _nonce, _intents, _signed_field,
    _signed_field, _same_field, _same_field, _message_key, _message_text, _message_text, _client, _client, _data, _ton,
    *edges.BEFORE,
)  # fmt: skip
AFTER: Final = (_sent_field, _bytes, _bytes, _spelling, _other_key, _form, _form, *edges.AFTER)


def bodies(count: int, seed: int, salt: bytes, now: datetime = NOW) -> Iterator[tuple[str, dict[str, Any]]]:
    """(what was done to it, body), `count` of them as of `now`, which has no fraction of a second. A fifth is
    well made, the others have one change, or two."""
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        one = draft(chance, now, salt, number)
        done = [one.wallet.standard]
        for _ in range(chance.choice((0, 1, 1, 1, 2))):
            change = chance.choice((*BEFORE, *AFTER))
            change(one)
            done.append(change.__name__.strip("_"))
        yield " ".join(done), one.body()


def registered() -> list[str]:
    """Keys that NAMED has registered at the contract."""
    return sorted({wallet(standard, who).key.text for standard in STANDARDS for who in (1, 4)})
