"""Executing one receipt: actions over an overlay that is kept only if all of them succeed."""

import base64
from dataclasses import dataclass
from typing import Any, Final

from services.devnet.contracts.port import Engine, MethodNotFound, OutOfGas, Panic
from services.devnet.node.counting import count_receipt
from services.devnet.node.gas import ACTION_GAS, refunds
from services.devnet.node.host import CallHost
from services.devnet.node.keys import is_implicit
from services.devnet.node.rent import account_for, lacking
from services.devnet.node.state import Overlay, get_json, pay, set_json
from services.devnet.node.troubles import OUT_OF_GAS, NoTroubles, Troubles

VIEW_GAS: Final = 300 * 10**12
Json = dict[str, Any]


class ActionFailed(Exception):
    """`kind` is NEAR's ActionErrorKind in JSON."""

    def __init__(self, kind: object) -> None:
        super().__init__(str(kind))
        self.kind = kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The block that executes."""

    height: int
    hash: str
    timestamp: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A receipt's outcome (ExecutionOutcomeWithIdView), the receipts it made, the data it sends on, the gas it
    burnt, and the keys of contract storage it wrote."""

    outcome: Json
    receipts: list[Json]
    data: list[Json]
    gas: int
    written: list[str]


def outcome_view(
    moment: Moment, origin: str, executor: str, status: object, *, logs: list[str], receipt_ids: list[str],
    gas: int, gas_price: int,
) -> Json:  # fmt: skip
    """NEAR's ExecutionOutcomeWithIdView. Proofs are empty: there is one node."""
    return {
        "proof": [],
        "block_hash": moment.hash,
        "id": origin,
        "outcome": {
            "logs": logs, "receipt_ids": receipt_ids, "gas_burnt": gas, "tokens_burnt": str(gas * gas_price),
            "executor_id": executor, "status": status, "metadata": {"version": 1, "gas_profile": None},
        },
    }  # fmt: skip


class Runtime:
    """Applies receipts. `gas_price` is yoctoNEAR per gas."""

    def __init__(self, engine: Engine, gas_price: int, troubles: Troubles | None = None) -> None:
        self._engine = engine
        self._troubles: Troubles = NoTroubles() if troubles is None else troubles
        self._price = gas_price

    def apply(self, state: Overlay, receipt: Json, results: list[bytes | None], moment: Moment) -> Ran:
        """Execute one action receipt whose data are all there."""
        scratch = Overlay(state)
        body = receipt["receipt"]["Action"]
        run = _Run(self._engine, self._troubles, scratch, receipt, results, moment)
        status: object
        written: list[str] = []
        try:
            for index, action in enumerate(body["actions"]):
                try:
                    run.action(action)
                except ActionFailed as failure:
                    raise ActionFailed({"index": index, "kind": failure.kind}) from None
            account_for(scratch, state)
            lack = lacking(scratch, receipt["receiver_id"])
            if lack:
                missing = {"account_id": receipt["receiver_id"], "amount": str(lack)}
                raise ActionFailed({"index": None, "kind": {"LackBalanceForState": missing}})
        except ActionFailed as failure:
            status = {"Failure": {"ActionError": failure.kind}}
            made = refunds(receipt, burnt=run.gas, passed_on=0, failed=True, price=self._price)
            data = [self._data(receipt, out, None) for out in body["output_data_receivers"]]
            count_receipt(state, body["actions"], (), failed=True)
        else:
            state.merge(scratch)
            written = [key for key in scratch.delta if key.startswith("c|")]
            if isinstance(run.value, int):
                # The value is another receipt's: it answers whoever waits for this one.
                returned = run.promises[run.value]
                returned.outputs.extend(body["output_data_receivers"])
                status, data = {"SuccessReceiptId": returned.id}, []
            else:
                value = base64.b64encode(run.value).decode()
                status = {"SuccessValue": value}
                data = [self._data(receipt, out, value) for out in body["output_data_receivers"]]
            made = [
                promised.view(
                    receipt["receiver_id"], body["signer_id"], body["signer_public_key"], self._price
                )
                for promised in run.promises
            ]
            made += refunds(receipt, burnt=run.gas, passed_on=run.reserved, failed=False, price=self._price)
            count_receipt(state, body["actions"], run.logs, failed=False)
        outcome = outcome_view(
            moment, receipt["receipt_id"], receipt["receiver_id"], status, logs=run.logs,
            receipt_ids=[child["receipt_id"] for child in made], gas=run.gas, gas_price=int(body["gas_price"]),
        )  # fmt: skip
        return Ran(outcome=outcome, receipts=made, data=data, gas=run.gas, written=written)

    def _data(self, receipt: Json, out: Json, value: str | None) -> Json:
        return {"data_id": out["data_id"], "receiver_id": out["receiver_id"], "data": value}

    def view(
        self, state: Overlay, account_id: str, method: str, args: bytes, moment: Moment
    ) -> CallHost | str:
        """A view call: its host with `logs` and the value in `returned`, or the failure's text.

        Raises KeyError if the account has no contract.
        """
        account = get_json(state, f"a|{account_id}")
        if account is None or account.get("code") is None:
            raise KeyError(account_id)
        host = CallHost(
            state, account_id=account_id, predecessor_id=account_id, signer_id=account_id, deposit=0,
            block_height=moment.height, timestamp=moment.timestamp, gas=VIEW_GAS, origin="view", results=[],
            is_view=True,
        )  # fmt: skip
        try:
            value = self._engine.call(str(account["code"]), host, method, args)
        except Panic as panic:
            return f"wasm execution failed with error: HostError(GuestPanic {{ panic_msg: {str(panic)!r} }})"
        except MethodNotFound:
            return "wasm execution failed with error: MethodResolveError(MethodNotFound)"
        except OutOfGas:
            return "wasm execution failed with error: HostError(GasLimitExceeded)"
        host.returned = value if isinstance(value, bytes) else b""
        return host


class _Run:
    """One receipt's actions in progress."""

    def __init__(
        self, engine: Engine, troubles: Troubles, state: Overlay, receipt: Json,
        results: list[bytes | None], moment: Moment,
    ) -> None:  # fmt: skip
        self.state = state
        self.gas = ACTION_GAS
        self.reserved = 0
        self.logs: list[str] = []
        self.promises: list[Any] = []
        self.value: bytes | int = b""
        self._engine = engine
        self._troubles = troubles
        self._receipt = receipt
        self._results = results
        self._moment = moment
        self._me: str = receipt["receiver_id"]
        self._from: str = receipt["predecessor_id"]

    def action(self, action: object) -> None:
        """Raises ActionFailed with the kind."""
        if action == "CreateAccount":
            self._create()
            return
        assert isinstance(action, dict)
        name, body = next(iter(action.items()))
        if get_json(self.state, f"a|{self._me}") is None:
            if name == "Transfer" and is_implicit(self._me):
                set_json(self.state, f"a|{self._me}", {"amount": "0", "code": None})
            else:
                raise ActionFailed({"AccountDoesNotExist": {"account_id": self._me}})
        match name:
            case "Transfer":
                pay(self.state, self._me, int(body["deposit"]))
            case "FunctionCall":
                self._call(body)
            case "AddKey":
                self._add_key(body)
            case "DeleteKey":
                self._own("DeleteKey")
                key = f"k|{self._me}|{body['public_key']}"
                if self.state.get(key) is None:
                    missing = {"account_id": self._me, "public_key": body["public_key"]}
                    raise ActionFailed({"DeleteKeyDoesNotExist": missing})
                self.state.set(key, None)
            case "DeployContract":
                self._own("DeployContract")
                account = get_json(self.state, f"a|{self._me}") or {}
                code = base64.b64decode(body["code"]).decode()
                set_json(self.state, f"a|{self._me}", {**account, "code": code})

    def _own(self, name: str) -> None:
        if self._from != self._me:
            who = {"account_id": self._me, "actor_id": self._from}
            raise ActionFailed({"ActorNoPermission": who})

    def _create(self) -> None:
        if self.state.get(f"a|{self._me}") is not None:
            raise ActionFailed({"AccountAlreadyExists": {"account_id": self._me}})
        if not self._me.endswith(f".{self._from}"):
            who = {"account_id": self._me, "predecessor_id": self._from}
            raise ActionFailed({"CreateAccountNotAllowed": who})
        set_json(self.state, f"a|{self._me}", {"amount": "0", "code": None})
        # Who creates an account acts for it for the rest of the receipt.
        self._from = self._me

    def _add_key(self, body: Json) -> None:
        self._own("AddKey")
        key = f"k|{self._me}|{body['public_key']}"
        if self.state.get(key) is not None:
            known = {"account_id": self._me, "public_key": body["public_key"]}
            raise ActionFailed({"AddKeyAlreadyExists": known})
        # As in nearcore: a key starts at its height, so that one removed and added again replays nothing.
        access = {
            "nonce": (self._moment.height - 1) * 1_000_000,
            "permission": body["access_key"]["permission"],
        }
        set_json(self.state, key, access)

    def _call(self, body: Json) -> None:
        account = get_json(self.state, f"a|{self._me}")
        code = None if account is None else account.get("code")
        if code is None:
            missing = {"CodeDoesNotExist": {"account_id": self._me}}
            raise ActionFailed({"FunctionCallError": {"CompilationError": missing}})
        if not self._engine.has(str(code)):
            broken = {"PrepareError": "Deserialization"}
            raise ActionFailed({"FunctionCallError": {"CompilationError": broken}})
        pay(self.state, self._me, int(body["deposit"]))
        receipt = self._receipt
        if not self._troubles.quiet:
            self._fail_if_asked(body)
        host = CallHost(
            self.state, account_id=self._me, predecessor_id=receipt["predecessor_id"],
            signer_id=receipt["receipt"]["Action"]["signer_id"], deposit=int(body["deposit"]),
            block_height=self._moment.height, timestamp=self._moment.timestamp, gas=body["gas"],
            origin=f"{receipt['receipt_id']}:{len(self.promises)}", results=self._results,
        )  # fmt: skip
        try:
            self.value = self._engine.call(
                str(code), host, body["method_name"], base64.b64decode(body["args"])
            )
        except Panic as panic:
            raise ActionFailed(_execution(f"Smart contract panicked: {panic}")) from None
        except MethodNotFound:
            raise ActionFailed({"FunctionCallError": {"MethodResolveError": "MethodNotFound"}}) from None
        except OutOfGas:
            raise ActionFailed(_execution(OUT_OF_GAS)) from None
        finally:
            self.gas += host.burnt
            self.reserved += host.reserved
            self.logs.extend(host.logs)
        if isinstance(self.value, int):
            self.value += len(self.promises)
        self.promises.extend(host.promises)

    def _fail_if_asked(self, body: Json) -> None:
        signer, args = self._receipt["receipt"]["Action"]["signer_id"], base64.b64decode(body["args"])
        fault = self._troubles.fails(signer, self._me, body["method_name"], args)
        if fault == OUT_OF_GAS:
            self.gas += body["gas"]
            raise ActionFailed(_execution(OUT_OF_GAS))
        if fault is not None:
            raise ActionFailed(_execution(f"Smart contract panicked: {fault}"))


def _execution(text: str) -> object:
    return {"FunctionCallError": {"ExecutionError": text}}
