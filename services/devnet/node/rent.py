"""Storage: the bytes an account's records take, and the balance that must stand behind them."""

from typing import Final

from services.devnet.node.state import Overlay, Reading, get_json, set_json

ACCOUNT: Final = 100
KEY: Final = 82
ENTRY: Final = 40
"""Bytes of an account, of an access key, and of a contract's entry beside its key and value: nearcore's sizes."""
PRICE: Final = 10**19
"""yoctoNEAR a byte."""
FREE: Final = 770
"""An account of at most so many bytes needs no balance."""


def _size(key: str, value: bytes | None) -> int:
    if value is None:
        return 0
    match key[0]:
        case "a":
            return ACCOUNT
        case "k":
            return KEY
    return ENTRY + len(key.split("|", 2)[2].encode()) + len(value)


def account_for(state: Overlay, before: Reading) -> None:
    """Bring `storage` of each account up to what `state` changed since `before`."""
    grown: dict[str, int] = {}
    for key, value in state.delta.items():
        if key[:2] in ("a|", "k|", "c|"):
            owner = key.split("|")[1]
            grown[owner] = grown.get(owner, 0) + _size(key, value) - _size(key, before.get(key))
    for account_id, more in grown.items():
        account = get_json(state, f"a|{account_id}") if more else None
        if account is not None:
            set_json(state, f"a|{account_id}", {**account, "storage": used(account) + more})


def used(account: dict[str, object]) -> int:
    """Bytes, of an account's record."""
    return int(str(account.get("storage", 0)))


def lacking(state: Reading, account_id: str) -> int:
    """yoctoNEAR that the account lacks for what it stores."""
    account = get_json(state, f"a|{account_id}")
    if account is None or used(account) <= FREE:
        return 0
    return max(used(account) * PRICE - int(str(account["amount"])), 0)
