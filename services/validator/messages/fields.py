"""Fields of a message, each read as its type is by the contract's serde; what is wrong is noted, not raised."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.common.encoding import b58decode, b64decode_unpadded, format_key
from services.common.errors import Reason
from services.validator.ids import is_account
from services.validator.messages import numbers, token_ids
from services.validator.messages.instants import instant_ns
from services.validator.messages.model import Bounds, Fault
from services.validator.model import shown

MAX_FAULTS: Final = 16
"""Faults of one message that are told."""

PAYLOAD: Final = "signed_data.payload"
ABSENT: Final = object()


class Notes:
    """What was found wrong, in order, and what may be left of the bounds."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.faults: list[Fault] = []
        self.tokens = 0

    def add(self, rule: str, where: str, reason: Reason, text: str) -> None:
        if len(self.faults) < MAX_FAULTS:
            self.faults.append(Fault(rule=rule, field=where, reason=reason, text=text))

    def wrong(self, where: str, text: str) -> None:
        """A field is not there, or of another type."""
        self.add("message-fields", where, Reason.INVALID_MESSAGE, text)


Read = Callable[[Notes, str, Any], Any]
"""(notes, the field's path, its JSON value) -> what the intent holds of it; anything at all once a fault is noted."""


@dataclass(frozen=True, slots=True)
class Field:
    """How one field is read. Without `default` it must be there; `nullable` takes null for the default."""

    read: Read
    default: Any = ABSENT
    nullable: bool = False
    alias: str = ""


def option(read: Read) -> Field:
    """serde's Option with a default: absent and null are None."""
    return Field(read, default=None, nullable=True)


def structure(
    notes: Notes, where: str, value: object, fields: Mapping[str, Field], what: str
) -> dict[str, Any]:
    """Each of `fields` out of an object; keys of no field are left alone, as serde leaves them."""
    found: dict[str, Any] = {}
    if not is_object(notes, where, value, what):
        return found
    assert isinstance(value, dict)
    for name, field in fields.items():
        key = name
        if field.alias and field.alias in value:
            if name in value:
                notes.wrong(f"{where}.{name}", f"must not be there beside its other name, {field.alias}")
            key = field.alias
        item = value.get(key, ABSENT)
        if item is None and field.nullable:
            item = ABSENT
        if item is not ABSENT:
            found[name] = field.read(notes, f"{where}.{key}", item)
        elif field.default is ABSENT:
            notes.wrong(f"{where}.{name}", "must be there")
        else:
            found[name] = field.default
    return found


def is_object(notes: Notes, where: str, value: object, what: str) -> bool:
    """Whether `value` is one. The contract also reads most of them out of lists, by the order of their fields."""
    if isinstance(value, dict):
        return True
    if isinstance(value, list):
        notes.add("objects-by-name", where, Reason.INVALID_MESSAGE, f"must be {what} with its fields by name")
    else:
        notes.wrong(where, f"must be {what}, an object")
    return False


def text(notes: Notes, where: str, value: object) -> str:
    if type(value) is str:
        return value
    notes.wrong(where, "must be a string")
    return ""


def boolean(notes: Notes, where: str, value: object) -> bool:
    if value is True or value is False:
        return value
    notes.wrong(where, "must be true or false")
    return False


def account(notes: Notes, where: str, value: object) -> str:
    found = text(notes, where, value)
    if type(value) is str and not is_account(found):
        notes.add(
            "account-forms", where, Reason.INVALID_ACCOUNT, f"must be a NEAR account id, not {shown(found)}"
        )
    return found


def number(bounds: range) -> Read:
    """A number in a string, as DisplayFromStr and NearToken take it."""

    def read(notes: Notes, where: str, value: object) -> int:
        return _number(notes, where, value, bounds)

    return read


u128: Final = number(numbers.U128)


def gas(notes: Notes, where: str, value: object) -> int:
    """A number in a string, or a JSON integer."""
    if type(value) is int:
        if value not in numbers.U64:
            notes.add("amount-forms", where, Reason.AMOUNT_OUT_OF_RANGE, "must be 0 to 2^64-1")
        return value
    if type(value) is str:
        return _number(notes, where, value, numbers.U64)
    notes.wrong(where, "must be a whole number, or a string of its digits")
    return 0


def deadline(notes: Notes, where: str, value: object) -> tuple[str, int]:
    """The text as it stands, and its Unix nanoseconds."""
    found = text(notes, where, value)
    try:
        return found, instant_ns(found)
    except ValueError as error:
        if type(value) is str:
            notes.add("deadline-readable", where, Reason.INVALID_DEADLINE, f"{error}, not {shown(found)}")
        return found, 0


def listed(read: Read) -> Read:
    """A list of what `read` reads."""

    def made(notes: Notes, where: str, value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            notes.wrong(where, "must be a list")
            return ()
        if not _counted(notes, where, len(value)):
            return ()
        return tuple(read(notes, where, item) for item in value)

    return made


def amounts(bounds: range, *, own: bool = False) -> Read:
    """An object of numbers in strings by token id; with `own` by ids that the minter chose, which any text is."""

    def read(notes: Notes, where: str, value: object) -> dict[str, int]:
        if not isinstance(value, dict):
            notes.wrong(where, "must be an object of amounts by token")
            return {}
        if not _counted(notes, where, len(value)):
            return {}
        for name in () if own else value:
            try:
                token_ids.parse(name)
            except ValueError as error:
                notes.add(
                    "token-id-forms",
                    where,
                    Reason.UNKNOWN_TOKEN,
                    f"has the token {shown(name)}, which {error}",
                )
        return {name: _number(notes, where, item, bounds, name) for name, item in value.items()}

    return read


def public_key(notes: Notes, where: str, value: object) -> str:
    """`<curve>:<base58>`, ed25519 without a curve; in its canonical form."""
    found = text(notes, where, value)
    curve, colon, body = found.partition(":")
    if not colon:
        curve, body = "ed25519", found
    length = _KEY_BYTES.get(curve)
    try:
        if length is None:
            raise ValueError(f"must be of one of the curves {', '.join(_KEY_BYTES)}")
        key = b58decode(body, max_length=2 * length)
        if len(key) != length:
            raise ValueError(f"must hold {length} bytes, not {len(key)}")
    except ValueError as error:
        if type(value) is str:
            notes.add("public-key-forms", where, Reason.INVALID_MESSAGE, f"is no public key: {error}")
        return ""
    return format_key(key, curve=curve)


_KEY_BYTES: Final = {"ed25519": 32, "secp256k1": 64, "p256": 64}


def state_init(notes: Notes, where: str, value: object) -> bool:
    """NEP-616: {"V1": {"code": {"hash": <base58>} or {"account_id": <account>}, "data": {<base64>: <base64>}}}."""
    version = _one_of(notes, where, value, ("V1",))
    if version is not None:
        structure(notes, f"{where}.V1", version[1], _V1, "a state_init of version 1")
    return True


def _code(notes: Notes, where: str, value: object) -> None:
    named = _one_of(notes, where, value, ("hash", "account_id"))
    if named is None:
        return
    if named[0] == "account_id":
        account(notes, f"{where}.account_id", named[1])
        return
    found = text(notes, f"{where}.hash", named[1])
    try:
        well = len(b58decode(found, max_length=64)) == 32
    except ValueError:
        well = False
    if not well:
        notes.wrong(f"{where}.hash", "must be base58 of 32 bytes")


def _data(notes: Notes, where: str, value: object) -> None:
    if not isinstance(value, dict):
        notes.wrong(where, "must be an object of base64 by base64")
        return
    for key, item in value.items():
        try:
            b64decode_unpadded(key)
            b64decode_unpadded(item if type(item) is str else "=")
        except ValueError:
            notes.wrong(where, "must be an object of base64 by base64")
            return


_V1: Final = {"code": Field(_code), "data": Field(_data)}


def _one_of(notes: Notes, where: str, value: object, names: tuple[str, ...]) -> tuple[str, Any] | None:
    """serde's externally tagged enum: an object of one key, which names the variant."""
    if isinstance(value, dict) and len(value) == 1:
        ((name, item),) = value.items()
        if name in names:
            return name, item
    notes.wrong(where, f"must be an object of one key: {' or '.join(names)}")
    return None


def nonce(notes: Notes, where: str, value: object) -> bytes:
    """Base64 of 32 bytes, padding or not."""
    found = text(notes, where, value)
    try:
        return b64decode_unpadded(found, length=32)
    except ValueError as error:
        if type(value) is str:
            notes.add("nonce-form", where, Reason.INVALID_NONCE, f"must be base64 of 32 bytes: {error}")
        return b""


def _number(notes: Notes, where: str, value: object, bounds: range, name: str = "") -> int:
    found = text(notes, where, value)
    if type(value) is not str:
        return 0
    of = f" of {shown(name)}" if name else ""
    try:
        return numbers.integer(found, bounds)
    except numbers.OutOfRange as error:
        notes.add("amount-forms", where, Reason.AMOUNT_OUT_OF_RANGE, f"{error}{of}, not {shown(found)}")
    except ValueError as error:
        notes.add("amount-forms", where, Reason.INVALID_AMOUNT, f"{error}{of}, not {shown(found)}")
    return 0


def _counted(notes: Notes, where: str, more: int) -> bool:
    """Whether so many more entries are within the bound. Past it none is looked at."""
    notes.tokens += more
    if notes.tokens <= notes.bounds.max_tokens:
        return True
    notes.add(
        "tokens-count",
        where,
        Reason.INVALID_MESSAGE,
        f"the message names more than {notes.bounds.max_tokens} amounts of tokens",
    )
    return False
