"""What the node offers a contract and what it asks of an engine. The shape is that of NEAR's host functions,
so that a wasm engine can stand beside the native one."""

from typing import Final, Protocol

TGAS: Final = 10**12


class Panic(Exception):
    """The contract refuses; everything its call changed is undone. The text becomes the receipt's failure."""


class MethodNotFound(Exception):
    """The contract has no such method."""


class OutOfGas(Exception):
    """The call needs more than its prepaid gas."""


class Host(Protocol):
    """One call's view of the chain. Amounts are yoctoNEAR, gas is gas, times are Unix nanoseconds."""

    account_id: str
    predecessor_id: str
    signer_id: str
    deposit: int
    block_height: int
    timestamp: int
    is_view: bool

    def read(self, key: str) -> bytes | None: ...

    def write(self, key: str, value: bytes) -> None:
        """Raises Panic in a view call, as do `remove` and the promises."""
        ...

    def remove(self, key: str) -> None: ...

    def log(self, line: str) -> None: ...

    def burn(self, gas: int) -> None:
        """Raises OutOfGas."""
        ...

    def deploy(self, code: str, method: str, args: bytes, gas: int) -> int:
        """Put other code in this contract's place and call `method` of it, in one receipt in a later block: both are
        done or neither. Returns the promise's index."""
        ...

    def promise_results(self) -> list[bytes | None]:
        """What the promises this call waited for returned; None for one that failed."""
        ...

    def promise(self, account_id: str, method: str, args: bytes, gas: int, after: int | None = None) -> int:
        """Call another contract in a later block, `after` an earlier promise if given. Returns its index."""
        ...


class Engine(Protocol):
    """Runs one kind of contract code."""

    def has(self, code: str) -> bool:
        """Whether it can run that code."""
        ...

    def call(self, code: str, host: Host, method: str, args: bytes) -> bytes | int:
        """The returned bytes, or the index of the promise whose value is returned instead.

        Raises Panic, MethodNotFound, OutOfGas, and KeyError for code it does not have.
        """
        ...


class Engines:
    """Several kinds of engine beside each other: the first that has a code runs it."""

    def __init__(self, *engines: Engine) -> None:
        self._engines = engines

    def has(self, code: str) -> bool:
        return any(engine.has(code) for engine in self._engines)

    def call(self, code: str, host: Host, method: str, args: bytes) -> bytes | int:
        for engine in self._engines:
            if engine.has(code):
                return engine.call(code, host, method, args)
        raise KeyError(code)
