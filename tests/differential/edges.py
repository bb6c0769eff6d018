"""What few wallets send: odd keys, odd signatures, odd spellings, and what the contract keeps already."""

import base64
import binascii
import hashlib
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from services.common.encoding import b58encode
from tests.harness.standards import Key, StandardWallet

if TYPE_CHECKING:
    from tests.differential.generate import Draft

KEPT_UNTIL: Final = "2026-11-23T13:00:00Z"
"""The deadline of what the contract keeps."""

WEAK_KEYS: Final = (
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0100000000000000000000000000000000000000000000000000000000000080",
)
"""ed25519's points of small order, some in a form that is not canonical. Source: "Taming the many EdDSAs" (2020)."""
_ODD_KEYS: Final = (
    "efffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "ff" * 32, "02" + "00" * 31,
    "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
)  # fmt: skip
"""y beyond the field, and no point at all."""

_ED25519_ORDER: Final = 2**252 + 27742317777372353535851937790883648493
_CURVES: Final[dict[str, tuple[ec.EllipticCurve, int, int]]] = {
    "secp256k1": (
        ec.SECP256K1(),
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141,
        2**256 - 2**32 - 977,
    ),
    "p256": (
        ec.SECP256R1(),
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
        2**256 - 2**224 + 2**192 + 2**96 - 1,
    ),
}
"""Each with its order and its field."""


@dataclass(frozen=True, slots=True)
class OddKey(Key):
    """The same key, which signs with a number of its choice: its r may be small, its s high, its R of small order."""

    nonce: int
    high: bool

    def sign(self, data: bytes) -> bytes:
        if self.curve == "ed25519":
            return self._small_r(data)
        curve, order, _ = _CURVES[self.curve]
        digest = data if self.curve == "secp256k1" else hashlib.sha256(data).digest()
        nonce = self.nonce % order
        point = ec.derive_private_key(nonce, curve).public_key().public_numbers()
        r, odd = point.x % order, point.y & 1
        secret = int.from_bytes(self.secret, "big")
        s = pow(nonce, -1, order) * (int.from_bytes(digest, "big") + r * secret) % order
        if (s > order // 2) is not self.high:
            s, odd = order - s, 1 - odd
        tail = bytes([odd]) if self.curve == "secp256k1" else b""
        return r.to_bytes(32, "big") + s.to_bytes(32, "big") + tail

    def _small_r(self, data: bytes) -> bytes:
        """With the nonce 0, so that R is the neutral point; `high` adds the order to S."""
        head = bytearray(hashlib.sha512(self.secret).digest()[:32])
        head[0] &= 248
        head[31] = head[31] & 63 | 64
        r = b"\1" + bytes(31)
        k = int.from_bytes(hashlib.sha512(r + self.public + data).digest(), "little")
        s = k * int.from_bytes(head, "little") % _ED25519_ORDER
        return r + (s + (_ED25519_ORDER if self.high else 0)).to_bytes(32, "little")


def odd_signature(one: "Draft") -> None:
    """Of the right key. 1/2 is the nonce whose r is the smallest that is known, on secp256k1."""
    key = one.wallet.key
    order = _CURVES[key.curve][1] if key.curve in _CURVES else _ED25519_ORDER
    nonce = one.chance.choice((pow(2, -1, order), 1, 2, 3, order - 1, order // 2))
    one.wallet.key = OddKey(key.curve, key.secret, key.public, nonce, one.chance.random() < 0.4)


def odd_key(one: "Draft") -> None:
    """One that is no key, or of which anybody can make signatures."""
    chance, curve = one.chance, one.wallet.key.curve

    def change(signed: dict[str, Any]) -> None:
        if "public_key" not in signed:
            return
        if curve == "ed25519":
            raw = bytes.fromhex(chance.choice((*WEAK_KEYS, *_ODD_KEYS)))
            if chance.random() < 0.7:
                forged = chance.choice((b"\1" + bytes(31), raw)) + bytes(32)
                signed["signature"] = f"{curve}:{b58encode(forged)}"
        else:
            field = _CURVES[curve][2]
            x, y = one.wallet.key.public[:32], one.wallet.key.public[32:]
            negative = (field - int.from_bytes(y, "big")).to_bytes(32, "big")
            raw = chance.choice((
                bytes(64), b"\xff" * 64, x + negative, y + x, x + bytes(32), field.to_bytes(32, "big") + y,
                bytes(32) + y, x[:-1] + bytes([x[-1] ^ 1]) + y,
            ))  # fmt: skip
        signed["public_key"] = f"{curve}:{b58encode(raw)}"

    one.after = change


def friendly(workchain: int, account: bytes, tag: int, *, urlsafe: bool) -> str:
    """An address as TON's wallets show it; its checksum is CRC-16/XMODEM."""
    data = bytes([tag]) + struct.pack("b", workchain) + account
    data += binascii.crc_hqx(data, 0).to_bytes(2, "big")
    return (base64.urlsafe_b64encode if urlsafe else base64.b64encode)(data).decode()


def ton_address(one: "Draft") -> None:
    """The same one, spelled otherwise; or one that is none."""
    chance = one.chance
    if one.wallet.standard != "ton_connect":
        return
    workchain, account = chance.choice((0, -1, 7, 127, -128)), chance.randbytes(32)
    one.envelope["address"] = f"{workchain}:{account.hex()}"

    def change(signed: dict[str, Any]) -> None:
        tag, urlsafe = chance.choice((0x11, 0x51, 0x91, 0xD1, 0x11, 0x10, 0x00, 0xFF)), chance.random() < 0.5
        text = friendly(workchain, account, tag, urlsafe=urlsafe)
        spelled = f"{workchain}:{account.hex()}"
        signed["address"] = chance.choice((
            text, text, text, text, spelled.upper(), "+" + spelled, f"{workchain:011d}:{account.hex()}",
            f"{workchain:010d}:{account.hex()}", f"-{abs(workchain)}:{account.hex()}", text + "=", text[:-1],
            text.swapcase(), text.replace("+", "-", 1), text.replace("-", "+", 1), text[:10] + "A" + text[11:],
            f"{workchain}:{account.hex()} ", f"{2**31}:{account.hex()}", f"{workchain}:{account.hex()[:-1]}",
            base64.b64encode(bytes(36)).decode(), account.hex(),
        ))  # fmt: skip

    one.after = change


def ton_timestamp(one: "Draft") -> None:
    """The same second, spelled otherwise; or something that is no time."""
    chance = one.chance
    if one.wallet.standard != "ton_connect":
        return
    seconds = one.envelope["timestamp"] = chance.choice((0, 1, int(one.now.timestamp()), 2**31))

    def change(signed: dict[str, Any]) -> None:
        zeros, moment = "0" * chance.choice((1, 8, 25, 300)), datetime.fromtimestamp(seconds, UTC)
        clock = moment.strftime("%Y-%m-%dT%H:%M:%S")
        signed["timestamp"] = chance.choice((
            str(seconds), f"+{seconds}", f"{zeros}{seconds}", f"+{zeros}{seconds}", "-0", "-" + zeros,
            f"-{seconds}", f"+-{seconds}", f" {seconds}", f"{seconds}\n", f"{seconds}.0", f"{seconds}e0", "", "+", "-",
            "0x0", "1" * 13, "253402300799", "253402300800", zeros + "253402300800", 253402300799, 253402300800,
            2**63, 2**64, 10**63,
            10**70, -1, -0.0, 1e3, clock + "Z", clock.lower() + "z", clock + ".999999999Z", clock + ".9999999999Z",
            clock + "+00:00", clock + "-00:00", clock + "+0000", clock, clock.replace("T", " ") + "Z",
            clock[:-2] + "60Z",
            "1970-01-01T24:00:00Z", "1969-12-31T23:59:59.9Z", [seconds], {}, True,
        ))  # fmt: skip

    one.after = change


def member(one: "Draft") -> None:
    """A member of the message, or of its intent, that is deep, long, or a number in odd spelling."""
    chance = one.chance
    name = chance.choice(
        ("deadline", "deadline", "network", "signer_id", "nonce", "intents", "max_slippage", "extra")
    )
    deep = chance.choice((1, 31, 32, 33, 125, 126, 127, 128, 500))
    written = chance.choice((
        "[" * deep + "]" * deep, '{"x":' * deep + "0" + "}" * deep, "1" * 64, "1" * 65, "1" * 4_000, "0." + "1" * 70,
        "1e400", "-0", "-0.0", "0.0", "1E2", "100.0", "100.00", "100.000", "1000", "99999.9", "123456789",
        "1234567890", "0.5", "true", "null", '"0"',
    ))  # fmt: skip

    def change(text: str) -> str:
        message = json.loads(text)
        where = message
        if name == "max_slippage" and isinstance(message.get("intents"), list) and message["intents"]:
            where = message["intents"][0]
        if isinstance(where, dict):
            where[name] = "@here@"
        return json.dumps(message, separators=(",", ":")).replace('"@here@"', written)

    one.text = change


def long_text(one: "Draft") -> None:
    """Of a message that says nothing wrong."""
    spaces = " " * one.chance.choice((10_000, 16_400, 40_000))
    one.text = lambda text: text[:-1] + spaces + text[-1:]


def kept(standard: str, who: int, signer: StandardWallet) -> tuple[dict[str, Any], bytes]:
    """Fields and nonce of the intent that the contract keeps of that wallet."""
    name = f"kept-{standard}-{who}"
    return signer.fields(id=name, min_output_amount="1"), hashlib.sha256(name.encode()).digest()


def kept_already(one: "Draft") -> None:
    """What the contract keeps, again: by the same nonce or another, or changed."""
    chance = one.chance
    fields, nonce = kept(one.wallet.standard, one.who, one.wallet)
    one.nonce = nonce
    match chance.randrange(10):
        case 0:
            fields["input_amount"] = "7"
        case 1:
            del fields["max_slippage"]
        case 2:
            fields["deadline"] = one.message["deadline"]
        case 3:
            fields["deadline"] = one.message["deadline"] = KEPT_UNTIL
        case 4:
            one.nonce = chance.randbytes(32)
        case 5:
            fields["id"] += "-not"
        case 6:
            fields["input_amount"], one.nonce = "7", chance.randbytes(32)
        case 7:
            one.nonce = bytes.fromhex("5628f6c600") + b"none" + nonce[9:]
        case _:
            pass
    one.fields = fields
    one.message["intents"] = [{"intent": "plain", **fields}]


BEFORE: Final[tuple[Callable[["Draft"], None], ...]] = (
    odd_signature, odd_signature, ton_address, ton_timestamp, member, member, kept_already, kept_already, long_text,
)  # fmt: skip
AFTER: Final[tuple[Callable[["Draft"], None], ...]] = (odd_key,)
