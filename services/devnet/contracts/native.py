"""Contracts written in Python: a table of methods over JSON arguments."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from orjson import dumps, loads

from services.common.observe import logs
from services.devnet.contracts.port import Host, MethodNotFound, OutOfGas, Panic
from services.devnet.contracts.strictjson import JsonRefused, Number, parse_object
from services.devnet.node.keys import is_account_id

logger = logging.getLogger(__name__)
ONE_YOCTO: Final = 1
"""What wallets attach to show that a key with full access signed; more is refused."""

Args = dict[str, object]
_BASE_GAS: Final = 400_000_000_000
_ARGUMENT_GAS: Final = 90_000_000  # reading one byte of JSON


@dataclass(frozen=True, slots=True)
class Later:
    """The call's value is that of the promise `index`."""

    index: int


@dataclass(frozen=True, slots=True)
class Method:
    """`gas` is burnt beside what storage, logs and arguments cost."""

    run: Callable[[Host, Args], object]
    view: bool = False
    gas: int = 0


class NativeEngine:
    """Runs contracts by the name of their code."""

    def __init__(self, contracts: Mapping[str, Mapping[str, Method]]) -> None:
        self._contracts = contracts

    def has(self, code: str) -> bool:
        return code in self._contracts

    def call(self, code: str, host: Host, method: str, args: bytes) -> bytes | int:
        found = self._contracts[code].get(method)
        if found is None:
            raise MethodNotFound(method)
        host.burn(_BASE_GAS + found.gas + _ARGUMENT_GAS * len(args))
        try:
            arguments = parse_object(args) if args else {}
        except JsonRefused as error:
            raise Panic(f"arguments: {error}") from None
        if host.deposit > ONE_YOCTO:
            raise Panic(f"{method} takes no deposit")
        try:
            value = found.run(host, arguments)
        except (Panic, OutOfGas):
            raise
        except Exception as error:
            # A fault of the contract fails its caller; it must not stop the chain.
            logs.event(logger, logging.ERROR, "contract.failed", exc_info=error, code=code, method=method)
            raise Panic("internal error of the contract") from None
        if isinstance(value, Later):
            return value.index
        return b"" if value is None and not found.view else dumps(value)


def account_arg(args: Args, name: str = "account_id") -> str:
    """An argument that is an account id. Raises Panic."""
    value = args.get(name)
    if type(value) is not str or not is_account_id(value):
        raise Panic(f"{name}: not an account id")
    return value


def text_arg(args: Args, name: str) -> str:
    """An argument that is a string. Raises Panic."""
    value = args.get(name)
    if type(value) is not str:
        raise Panic(f"{name}: missing or not a string")
    return value


def whole_arg(args: Args, name: str, below: int) -> int:
    """An argument that is a whole number from 0 up to, not including, `below`. Raises Panic."""
    value = args.get(name)
    if isinstance(value, Number) and value.isdigit() and len(value) < 20 and int(value) < below:
        return int(value)
    raise Panic(f"{name}: not a whole number below {below}")


def load(host: Host, key: str) -> Any:
    """The JSON under `key`, None if there is none."""
    raw = host.read(key)
    return None if raw is None else loads(raw)


def save(host: Host, key: str, value: object) -> None:
    host.write(key, dumps(value))


def event(host: Host, name: str, data: Mapping[str, object], standard: str = "intents") -> None:
    """A NEP-297 event line."""
    body = {"standard": standard, "version": "1.0.0", "event": name, "data": [data]}
    host.log("EVENT_JSON:" + dumps(body).decode())


def require_owner(host: Host, role: str = "owner") -> None:
    """Raises Panic unless the caller holds `role` or is an owner."""
    caller = host.predecessor_id
    if load(host, f"r|{role}|{caller}") is None and load(host, f"r|owner|{caller}") is None:
        raise Panic(f"only an account with the role {role} may call this")
