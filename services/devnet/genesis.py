"""The first block: accounts and keys from a seed and a file, and the contracts initialised."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from orjson import dumps

from services.devnet.config import Settings
from services.devnet.contracts import rates
from services.devnet.contracts.plain import U128
from services.devnet.contracts.port import Engine
from services.devnet.node.host import CallHost
from services.devnet.node.keys import SecretKey, is_account_id, parse_ed25519, sha256
from services.devnet.node.rent import account_for
from services.devnet.node.state import Overlay, State, set_json

PEOPLE: Final = ("alice.near", "bob.near")
"""Named accounts with one key each, to try things with."""
BALANCE: Final = 10**30
"""yoctoNEAR: a million NEAR."""


class GenesisError(Exception):
    """The genesis file cannot be used; the text names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """`keys` are public keys with full access, `code` a native contract."""

    account_id: str
    balance: int = BALANCE
    keys: tuple[str, ...] = ()
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Genesis:
    """`rates`: see contracts/rates; `balances`: account -> token -> units in the Verifier's books."""

    chain_id: str
    owner: str
    verifier: str
    solvers: tuple[str, ...]
    accounts: tuple[Account, ...]
    rates: dict[str, str] = field(default_factory=dict)
    balances: dict[str, dict[str, str]] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """The same for the same genesis: a state file made by another one is refused."""
        return sha256(repr(self).encode()).hex()


def key(seed: str, name: str, index: int = 0) -> SecretKey:
    """The `index`-th key of account `name`: the same for the same seed."""
    return SecretKey(sha256(b"\0".join((seed.encode(), name.encode(), str(index).encode()))))


def relayer_keys(settings: Settings) -> list[SecretKey]:
    """One for each processor."""
    return [key(settings.seed, settings.relayer_account, index) for index in range(settings.relayer_keys)]


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise GenesisError(f"genesis file {path}: {error}") from None
    if not isinstance(found, dict) or set(found) - {"accounts", "rates", "balances"}:
        raise GenesisError(f"genesis file {path}: an object of accounts, rates and balances is needed")
    return found


def _units(value: object, where: str) -> str:
    if isinstance(value, str) and value.isdecimal() and value.isascii() and int(value) < U128:
        return str(int(value))
    raise GenesisError(f"{where}: not a decimal string of a u128")


def _account(item: object) -> Account:
    if not isinstance(item, dict) or not is_account_id(str(item.get("account_id"))):
        raise GenesisError("genesis file: accounts: account_id is not an account id")
    account_id, keys = item["account_id"], item.get("keys", [])
    if not isinstance(keys, list):
        raise GenesisError(f"genesis file: accounts: {account_id}: keys is not a list")
    try:
        for public_key in keys:
            parse_ed25519(str(public_key), 32)
    except ValueError as error:
        raise GenesisError(f"genesis file: accounts: {account_id}: keys: {error}") from None
    balance = _units(item.get("balance", str(BALANCE)), f"genesis file: accounts: {account_id}: balance")
    return Account(account_id=account_id, balance=int(balance), keys=tuple(keys))


def make(settings: Settings) -> Genesis:
    """Genesis as the settings say. Raises GenesisError."""
    extra = {} if settings.genesis_file is None else _read(settings.genesis_file)
    given, balances = extra.get("rates", {}), extra.get("balances", {})
    if not isinstance(given, dict) or not all(isinstance(rate, str) for rate in given.values()):
        raise GenesisError("genesis file: rates: an object of SOURCE->TARGET to text is needed")
    try:
        rates.check(given)
    except ValueError as error:
        raise GenesisError(f"genesis file: {error}") from None
    if not isinstance(balances, dict) or not all(isinstance(tokens, dict) for tokens in balances.values()):
        raise GenesisError("genesis file: balances: an object of account to token to units is needed")
    accounts = [
        Account(account_id=settings.verifier_account, code="verifier"),
        *(Account(account_id=solver, code="solver") for solver in settings.solver_accounts),
        Account(
            account_id=settings.relayer_account,
            keys=tuple(pair.public_key for pair in relayer_keys(settings)),
        ),
        *(
            Account(account_id=name, keys=(key(settings.seed, name).public_key,))
            for name in (settings.owner_account, *PEOPLE)
        ),
        *map(_account, extra.get("accounts", [])),
    ]
    if len({account.account_id for account in accounts}) != len(accounts):
        raise GenesisError("genesis file: accounts: an account is there twice")
    return Genesis(
        chain_id=settings.chain_id, owner=settings.owner_account, verifier=settings.verifier_account,
        solvers=settings.solver_accounts, accounts=tuple(accounts), rates=given,
        balances={
            account_id: {token: _units(units, f"balances: {account_id}") for token, units in tokens.items()}
            for account_id, tokens in balances.items()
        },
    )  # fmt: skip


def state(genesis: Genesis, engine: Engine, timestamp: int) -> dict[str, bytes]:
    """The state of block 0."""
    overlay = Overlay(State({}, {}))
    for account in genesis.accounts:
        body = {"amount": str(account.balance), "code": account.code}
        set_json(overlay, f"a|{account.account_id}", body)
        for public_key in account.keys:
            set_json(
                overlay, f"k|{account.account_id}|{public_key}", {"nonce": 0, "permission": "FullAccess"}
            )
    verifier = {
        "owner": genesis.owner, "network": genesis.chain_id, "solvers": genesis.solvers,
        "balances": genesis.balances,
    }  # fmt: skip
    _init(overlay, engine, genesis.verifier, "verifier", verifier, timestamp)
    for solver in genesis.solvers:
        terms = {"owner": genesis.owner, "verifier": genesis.verifier, "rates": genesis.rates}
        _init(overlay, engine, solver, "solver", terms, timestamp)
    account_for(overlay, State({}, {}))
    return {name: value for name, value in overlay.delta.items() if value is not None}


def _init(
    overlay: Overlay, engine: Engine, account_id: str, code: str, args: dict[str, Any], timestamp: int
) -> None:
    host = CallHost(
        overlay, account_id=account_id, predecessor_id=account_id, signer_id=account_id, deposit=0,
        block_height=0, timestamp=timestamp, gas=10**18, origin="genesis", results=[],
    )  # fmt: skip
    engine.call(code, host, "init", dumps(args))


def credential(account_id: str, pair: SecretKey) -> dict[str, str]:
    """NEAR's credential file form. It holds the secret: keep it out of logs."""
    return {"account_id": account_id, "public_key": pair.public_key, "private_key": pair.secret()}


def write_secret(path: Path, content: str) -> None:
    """Write `content` so that only the owner can read it, from the first byte on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(content)
        file.flush()
        os.fsync(handle)
    part.replace(path)
