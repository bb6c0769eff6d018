"""Inputs of the validator: bodies as wallets make them, broken in their structure or in their bytes, and mere bytes."""

import json
import random
import string
from collections.abc import Iterator
from typing import Any, Final

from intents.validator.v1 import validator_service_pb2 as pb
from tests.differential.generate import bodies
from tests.harness.signing import to_proto
from tests.unit.validator.bare.generate import body as alone

JSON: Final = "json"
PROTO: Final = "proto"
POOL: Final = 200
"""Well-formed bodies that bytes are broken in; new ones now and then."""
MANY: Final = (
    "[" * 10_000, '{"a":' * 10_000, "9" * 10_000, "-" + "0" * 5_000, '"' + "\\u0000" * 2_000 + '"', "1e999999999",
    '"' + "x" * 200_000 + '"', "\\" * 1_001, "\ud83d", "\u202e", "\x00", "\ufeff", "null", "true", "{}", "[]", '""',
    "NaN", "-Infinity", "0x10", "1_000", "\u0661", "ed25519:", "ed25519:" + "z" * 1_200, "1" * 1_024, "=" * 64,
)  # fmt: skip
"""What is put in somewhere."""


def inputs(count: int, seed: int, salt: bytes) -> Iterator[tuple[str, bytes]]:
    """(kind, bytes): JSON is a body of POST /api/intents, proto a ValidateIntentsRequest."""
    chance = random.Random(f"fuzz {seed}")
    made = bodies(1 << 60, seed, salt)
    pool: list[dict[str, Any]] = []
    for number in range(count):
        if len(pool) < POOL or number % 5 == 0:
            _, body = next(made)
            pool.append(alone(chance) if chance.randrange(4) == 0 else body)
            if len(pool) > POOL:
                pool.pop(chance.randrange(POOL))
        body = chance.choice(pool)
        kind = chance.randrange(10)
        if kind == 0:
            yield JSON, chance.randbytes(chance.choice((0, 1, 7, 200, 5_000)))
        elif kind == 1:
            yield PROTO, chance.randbytes(chance.choice((0, 1, 7, 200, 5_000)))
        elif kind == 2:
            yield PROTO, _broken(chance, _message(body))
        elif kind <= 4:
            yield JSON, _broken(chance, json.dumps(body).encode())
        elif kind <= 6:
            yield JSON, _restructured(chance, body)
        elif kind == 7:
            yield JSON, _spliced(chance, json.dumps(body))
        else:
            yield JSON, json.dumps(body).encode("utf-8", "surrogatepass")


def _message(body: dict[str, Any]) -> bytes:
    try:
        item = pb.ValidateIntentsItem(submission=to_proto(body))
    except Exception:  # what the client's own library does not take is sent as something else
        item = pb.ValidateIntentsItem()
    return pb.ValidateIntentsRequest(items=[item], explain=True).SerializeToString()


def _broken(chance: random.Random, data: bytes) -> bytes:
    """Some bytes changed, cut out, doubled or put in."""
    raw = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 8))):
        if not raw:
            break
        at = chance.randrange(len(raw))
        match chance.randrange(5):
            case 0:
                raw[at] ^= 1 << chance.randrange(8)
            case 1:
                raw[at] = chance.choice(b'"\\{}[]:,0129-+.eE\x00\xff\xc0\xed\xa0\x80 \n')
            case 2:
                del raw[at : at + chance.choice((1, 4, 50))]
            case 3:
                raw[at:at] = raw[at : at + chance.choice((1, 10, 100))]
            case _:
                raw[at:at] = chance.randbytes(chance.choice((1, 3, 16)))
    return bytes(raw)


def _spliced(chance: random.Random, text: str) -> bytes:
    at = chance.randrange(len(text))
    end = at + chance.choice((0, 1, 5))
    return (text[:at] + chance.choice(MANY) + text[end:]).encode("utf-8", "surrogatepass")


def _restructured(chance: random.Random, body: dict[str, Any]) -> bytes:
    """Values replaced, keys renamed, dropped or nested, anywhere in it, the signed text's own JSON included."""
    copy = json.loads(json.dumps(body))
    for _ in range(chance.choice((1, 1, 2, 3))):
        _change(chance, copy)
    return json.dumps(copy).encode("utf-8", "surrogatepass")


def _change(chance: random.Random, value: Any) -> None:
    here = value
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            return
        key = chance.choice(keys)
        below = here[key]
        if isinstance(below, dict | list) and below and chance.random() < 0.7:
            here = below
            continue
        match chance.randrange(6):
            case 0:
                here[key] = _anything(chance, 0)
            case 1:
                del here[key]
            case 2 if isinstance(here, dict):
                here[chance.choice(("signed_data", "payload", "id", "x" * 300, "\x00", "", "standard"))] = (
                    below
                )
            case 3 if isinstance(below, str):
                here[key] = below + chance.choice(string.printable)
            case 4 if isinstance(below, str) and below.startswith("{"):
                here[key] = _inner(chance, below)
            case _:
                here[key] = chance.choice((below, [below], {"intent": below}, str(below), None))
        return


def _inner(chance: random.Random, text: str) -> str:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return text[1:]
    if message:
        _change(chance, message)
    return json.dumps(message)


def _anything(chance: random.Random, depth: int) -> Any:
    match chance.randrange(9 if depth < 3 else 7):
        case 0:
            return chance.choice((0, -1, 1, 2**63, 2**64, 2**128, 10**60, -(10**30)))
        case 1:
            return chance.choice((0.0, -0.0, 1e308, 0.1, 5e-324))
        case 2:
            return chance.choice((None, True, False))
        case 3:
            return chance.randbytes(chance.choice((0, 1, 32, 65))).hex()
        case 4:
            return "".join(
                map(chr, (chance.choice((0, 10, 0x7F, 0xE9, 0xD800, 0x1F600, 0xFFFF)) for _ in range(4)))
            )
        case 5:
            return "x" * chance.choice((0, 1, 127, 128, 129, 16_385, 100_000))
        case 6:
            return chance.choice(MANY)
        case 7:
            return [_anything(chance, depth + 1) for _ in range(chance.choice((0, 1, 3)))]
        case _:
            return {f"k{number}": _anything(chance, depth + 1) for number in range(chance.choice((0, 1, 3)))}
