"""The Verifier's books: keys of accounts, used nonces, salts, and what solvers delivered."""

from typing import Final

from services.devnet.contracts.envelope import nonce_bytes
from services.devnet.contracts.native import Args, Method, account_arg, event, load, save, text_arg
from services.devnet.contracts.plain import U128
from services.devnet.contracts.port import Host, Panic
from services.devnet.crypto import curves
from services.devnet.crypto.curves import PublicKey


def key_belongs(host: Host, account_id: str, key: PublicKey) -> bool:
    """Whether the key derives the implicit account or was registered by the account itself."""
    return key.account == account_id or load(host, f"p|{account_id}|{key.text}") is not None


def use_nonce(host: Host, account_id: str, nonce: bytes) -> None:
    """Mark it used."""
    save(host, f"u|{account_id}|{nonce.hex()}", True)


def nonce_is_used(host: Host, account_id: str, nonce: bytes) -> bool:
    return load(host, f"u|{account_id}|{nonce.hex()}") is not None


def salt_is_valid(host: Host, salt: str) -> bool:
    return load(host, f"salt|{salt}") is not None


def credit(host: Host, account_id: str, token: str, units: int, intent_id: str) -> None:
    """Book what a solver delivered, with a NEP-245 event whose memo is the intent. Nothing is taken from the input
    token: this contract holds no deposits."""
    key = f"b|{account_id}|{token}"
    save(host, key, str(min(int(load(host, key) or "0") + units, U128 - 1)))
    minted = {"owner_id": account_id, "token_ids": [token], "amounts": [str(units)], "memo": intent_id}
    event(host, "mt_mint", minted, standard="nep245")


def _key_arg(args: Args) -> str:
    try:
        return curves.public_key(text_arg(args, "public_key")).text
    except ValueError as error:
        raise Panic(f"public_key: {error}") from None


def add_public_key(host: Host, args: Args) -> None:
    """`{public_key}`, for the calling account."""
    public_key = _key_arg(args)
    if load(host, f"p|{host.predecessor_id}|{public_key}") is not None:
        raise Panic("public key is registered already")
    save(host, f"p|{host.predecessor_id}|{public_key}", True)
    event(host, "public_key_added", {"account_id": host.predecessor_id, "public_key": public_key})


def remove_public_key(host: Host, args: Args) -> None:
    """`{public_key}`, for the calling account."""
    public_key = _key_arg(args)
    if load(host, f"p|{host.predecessor_id}|{public_key}") is None:
        raise Panic("public key doesn't exist")
    host.remove(f"p|{host.predecessor_id}|{public_key}")
    event(host, "public_key_removed", {"account_id": host.predecessor_id, "public_key": public_key})


def has_public_key(host: Host, args: Args) -> bool:
    """`{account_id, public_key}`; an implicit account has the key it is named after."""
    try:
        key = curves.public_key(text_arg(args, "public_key"))
    except ValueError:
        return False
    return key_belongs(host, account_arg(args), key)


def is_nonce_used(host: Host, args: Args) -> bool:
    """`{account_id, nonce}` with the nonce in base64."""
    return nonce_is_used(host, account_arg(args), nonce_bytes(args.get("nonce")))


def current_salt(host: Host, args: Args) -> str:
    """8 hex digits."""
    return str(load(host, "salt"))


def is_valid_salt(host: Host, args: Args) -> bool:
    return salt_is_valid(host, text_arg(args, "salt").lower())


def _balance(host: Host, account_id: str, token: str) -> str:
    return str(load(host, f"b|{account_id}|{token}") or "0")


def mt_balance_of(host: Host, args: Args) -> str:
    """`{account_id, token_id}` -> units."""
    return _balance(host, account_arg(args), text_arg(args, "token_id"))


def mt_batch_balance_of(host: Host, args: Args) -> list[str]:
    """`{account_id, token_ids}` -> units of each, in order."""
    account_id, tokens = account_arg(args), args.get("token_ids")
    if not isinstance(tokens, list):
        raise Panic("token_ids: not a list")
    return [_balance(host, account_id, text_arg({"token_ids": token}, "token_ids")) for token in tokens]


LEDGER: Final[dict[str, Method]] = {
    "add_public_key": Method(add_public_key),
    "remove_public_key": Method(remove_public_key),
    "has_public_key": Method(has_public_key, view=True),
    "is_nonce_used": Method(is_nonce_used, view=True),
    "current_salt": Method(current_salt, view=True),
    "is_valid_salt": Method(is_valid_salt, view=True),
    "mt_balance_of": Method(mt_balance_of, view=True),
    "mt_batch_balance_of": Method(mt_batch_balance_of, view=True),
}
