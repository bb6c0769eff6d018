"""The chain as one contract call sees it."""

import base64
from dataclasses import dataclass, field
from typing import Any, Final

from services.devnet.contracts.port import OutOfGas, Panic
from services.devnet.node.gas import ACTION_GAS
from services.devnet.node.keys import is_account_id
from services.devnet.node.receipts import child_id, receipt_view
from services.devnet.node.state import Overlay

READ_GAS: Final = 56_356_845_750
WRITE_GAS: Final = 64_196_736_000
BYTE_GAS: Final = 30_952_380
LOG_GAS: Final = 3_543_313_050
PROMISE_GAS: Final = 1_120_000_000_000
MAX_LOGS: Final = 100
MAX_LOG_BYTES: Final = 16_384


@dataclass(slots=True)
class Promised:
    """A receipt in the making; `inputs` and `outputs` are data ids, outputs with their receiver."""

    id: str
    receiver: str
    method: str
    args: bytes
    gas: int
    inputs: list[str] = field(default_factory=list)
    outputs: list[dict[str, str]] = field(default_factory=list)
    deploys: str | None = None

    def view(self, predecessor: str, signer: str, signer_key: str, gas_price: int) -> dict[str, Any]:
        call = {
            "method_name": self.method, "args": base64.b64encode(self.args).decode(),
            "gas": self.gas, "deposit": "0",
        }  # fmt: skip
        code = "" if self.deploys is None else base64.b64encode(self.deploys.encode()).decode()
        deployed: list[Any] = [] if self.deploys is None else [{"DeployContract": {"code": code}}]
        return receipt_view(
            self.id, predecessor, self.receiver, signer, signer_key, gas_price,
            [*deployed, {"FunctionCall": call}], self.inputs, self.outputs,
        )  # fmt: skip


class CallHost:
    """Satisfies `contracts.port.Host`. Its overlay is merged by the runtime when the call succeeds."""

    def __init__(
        self, overlay: Overlay, *, account_id: str, predecessor_id: str, signer_id: str, deposit: int,
        block_height: int, timestamp: int, gas: int, origin: str, results: list[bytes | None],
        is_view: bool = False,
    ) -> None:  # fmt: skip
        self.account_id = account_id
        self.predecessor_id = predecessor_id
        self.signer_id = signer_id
        self.deposit = deposit
        self.block_height = block_height
        self.timestamp = timestamp
        self.is_view = is_view
        self.burnt = 0
        self.reserved = 0
        self.logs: list[str] = []
        self.returned = b""
        self.promises: list[Promised] = []
        self._overlay = overlay
        self._gas = gas
        self._origin = origin
        self._made = 0
        self._results = results

    def burn(self, gas: int) -> None:
        if self.burnt + self.reserved + gas > self._gas:
            self.burnt = self._gas - self.reserved
            raise OutOfGas
        self.burnt += gas

    def read(self, key: str) -> bytes | None:
        value = self._overlay.get(f"c|{self.account_id}|{key}")
        self.burn(READ_GAS + BYTE_GAS * len(value or b""))
        return value

    def _changes(self) -> None:
        if self.is_view:
            raise Panic("not allowed in a view call")

    def write(self, key: str, value: bytes) -> None:
        self._changes()
        self.burn(WRITE_GAS + BYTE_GAS * len(value))
        self._overlay.set(f"c|{self.account_id}|{key}", value)

    def remove(self, key: str) -> None:
        self._changes()
        self.burn(WRITE_GAS)
        self._overlay.set(f"c|{self.account_id}|{key}", None)

    def log(self, line: str) -> None:
        self.burn(LOG_GAS + 13_198_791 * len(line))
        if len(self.logs) >= MAX_LOGS or len(line.encode()) > MAX_LOG_BYTES:
            raise Panic("too many or too long logs")
        self.logs.append(line)

    def promise_results(self) -> list[bytes | None]:
        return self._results

    def next_id(self) -> str:
        self._made += 1
        return child_id(self._origin, self._made)

    def deploy(self, code: str, method: str, args: bytes, gas: int) -> int:
        index = self.promise(self.account_id, method, args, gas)
        self.promises[index].deploys = code
        return index

    def promise(self, account_id: str, method: str, args: bytes, gas: int, after: int | None = None) -> int:
        self._changes()
        if not is_account_id(account_id):
            raise Panic(f"{account_id} is not an account id")
        self.burn(PROMISE_GAS)
        bought = gas + ACTION_GAS
        if self.burnt + self.reserved + bought > self._gas:
            self.burnt = self._gas - self.reserved
            raise OutOfGas
        self.reserved += bought
        made = Promised(self.next_id(), account_id, method, args, gas)
        if after is not None:
            data_id = self.next_id()
            self.promises[after].outputs.append({"data_id": data_id, "receiver_id": account_id})
            made.inputs.append(data_id)
        self.promises.append(made)
        return len(self.promises) - 1
