"""The Chain port in memory: nonces, a pool, final at once when somebody waits; the Verifier's rules in short."""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from services.common.chain.port import (
    AccessKey,
    Balance,
    Block,
    Broadcast,
    BroadcastResult,
    ChainIntent,
    Change,
    Failure,
    Followed,
    FunctionCall,
    Signer,
    TxOutcome,
    TxState,
)
from services.common.domain import strictjson
from services.common.domain.intent import Nep413Payload, SignedTransaction
from services.common.domain.places import Place
from services.common.domain.plainjson import same_intent
from services.common.domain.views import (
    BalanceOf,
    ChainView,
    CurrentSalt,
    HasPublicKey,
    IsKept,
    IsNonceUsed,
    IsRegistered,
    IsValidSalt,
    Simulation,
    ViewAnswer,
)
from services.common.errors import IntentError, Reason, unavailable

GAS = {"verify_signed_intent": 7, "verify_and_solve": 11}


class FakeChain:
    """`effects` counts what changed something, by (method, intent id); `included` lists hashes in order.

    Faults, each a number of times yet: `lose` (bytes never arrive), `silence` (they do, the answer doesn't),
    `away` (nobody answers a question), `solver_fails`, `refusals` (calls the contract panics on),
    `broken` (calls that fail without a word of the contract's), `poor` (bytes not taken for lack of balance).
    `kept_from`: lower blocks are gone;
    `mute`: of what changed it cannot say what.
    """

    def __init__(self, now_ns: Any, *, step: int = 3) -> None:
        self.now_ns = now_ns
        self.step = step
        self.validity = 86_400
        self.height = 100
        self.nonces: dict[str, int] = {}
        self.gone: set[str] = set()
        self.pool: dict[str, dict[str, Any]] = {}
        self.done: dict[str, TxOutcome] = {}
        self.included: list[str] = []
        self.sent: list[bytes] = []
        self.kept: dict[str, dict[str, Any]] = {}
        self.used: set[str] = set()
        self.effects: Counter[tuple[str, str]] = Counter()
        self.lose = self.silence = self.away = self.solver_fails = 0
        self.refusals: list[str] = []
        self.broken: list[Failure] = []
        self.funds = 10**25
        self.poor = 0
        self.changed: list[Change] = []
        self.kept_from = 0
        self.mute = False

    # --- the port ---

    async def network(self) -> str:
        self._ask()
        return "localnet"

    async def block(self, at: int | str | None = None) -> Block | None:
        self._ask()
        named = self.height if at is None else int(str(at).removeprefix("block-"))
        if named > self.height:
            return None
        return Block(hash=f"block-{named}", height=named, timestamp_ns=named * 10**9)

    async def balance(self, account_id: str) -> Balance:
        self._ask()
        if account_id != "relayer.near":
            raise IntentError(Reason.PERMISSION_DENIED, "no such account")
        return Balance(total=self.funds, spendable=self.funds, block_height=self.height)

    async def gas_price(self) -> int:
        self._ask()
        return 100

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        self._ask()
        return [ViewAnswer(value=self._view(view), block_height=self.height) for view in asked]

    async def intents(self, intent_ids: Sequence[str]) -> Sequence[ChainIntent | IntentError]:
        self._ask()
        self.height += 1
        return [self._seen(intent_id) for intent_id in intent_ids]

    async def changes(self, after: int, limit: int, *, but_of: frozenset[str] = frozenset()) -> Followed:
        self._ask()
        final = Block(hash=f"block-{self.height}", height=self.height, timestamp_ns=self.height * 10**9)
        if self.height <= after:
            return Followed(upto=None, final=final)
        if after + 1 < self.kept_from:
            return Followed(upto=None, final=final, missing=True)
        last = min(after + limit, self.height)
        found = [
            replace(one, intent_id=None) if self.mute else one
            for one in self.changed
            if after < one.block_height <= last
        ]
        return Followed(upto=Place(height=last, hash=f"block-{last}"), final=final, changes=tuple(found))

    async def access_key(self, account_id: str, public_key: str) -> AccessKey:
        self._ask()
        if account_id != "relayer.near" or public_key in self.gone:
            at = {"block_height": str(self.height)}
            raise IntentError(Reason.PERMISSION_DENIED, "no such key", metadata=at)
        block = f"block-{self.height}"
        return AccessKey(nonce=self.nonces.get(public_key, 0), block_hash=block, block_height=self.height)

    def prepare(
        self,
        call: FunctionCall,
        signer: Signer,
        *,
        nonce: int,
        anchor: AccessKey,
        purpose: str,
        solver_id: str = "",
    ) -> SignedTransaction:
        body = {"key": signer.public_key, "nonce": nonce, "method": call.method, "args": call.args}
        raw = json.dumps(body | {"block": anchor.block_hash}, sort_keys=True).encode()
        return SignedTransaction(
            purpose=purpose, hash=hashlib.sha256(raw).hexdigest(), signed_bytes=raw, signer_id=signer.account_id,
            public_key=signer.public_key, nonce=nonce, block_hash=anchor.block_hash,
            block_height=anchor.block_height, chain="localnet", solver_id=solver_id,
        )  # fmt: skip

    async def broadcast(self, signed_bytes: bytes) -> Broadcast:
        self.sent.append(signed_bytes)
        if self.lose > 0:
            self.lose -= 1
            return Broadcast(result=BroadcastResult.UNKNOWN, detail="lost")
        tx_hash = hashlib.sha256(signed_bytes).hexdigest()
        tx = json.loads(signed_bytes)
        if tx_hash not in self.pool and tx_hash not in self.done:
            if tx["nonce"] <= self.nonces.get(tx["key"], 0):
                return Broadcast(result=BroadcastResult.NONCE_TAKEN, detail="InvalidNonce")
            if tx["key"] in self.gone:
                return Broadcast(result=BroadcastResult.REFUSED, detail="InvalidAccessKeyError")
            if self.height > int(tx["block"].removeprefix("block-")) + self.validity:
                return Broadcast(result=BroadcastResult.EXPIRED, detail="Expired")
            if self.poor > 0:
                self.poor -= 1
                return Broadcast(result=BroadcastResult.LOW_BALANCE, detail="NotEnoughBalance")
            self.pool[tx_hash] = tx
        if self.silence > 0:
            self.silence -= 1
            return Broadcast(result=BroadcastResult.UNKNOWN, detail="timed out")
        return Broadcast(result=BroadcastResult.ACCEPTED)

    async def outcome(self, tx_hash: str, sender_id: str, *, wait_final: bool = False) -> TxOutcome:
        self._ask()
        if wait_final and tx_hash in self.pool:
            self.produce()
        if tx_hash in self.done:
            return self.done[tx_hash]
        if tx_hash in self.pool:
            return TxOutcome(state=TxState.PENDING)
        return TxOutcome(state=TxState.UNKNOWN, block_height=0 if wait_final else self.height)

    # --- the node ---

    def produce(self) -> None:
        """Include what is pooled, lowest nonce first; all of it is final afterwards."""
        for tx_hash, tx in sorted(self.pool.items(), key=lambda item: item[1]["nonce"]):
            del self.pool[tx_hash]
            if tx["nonce"] <= self.nonces.get(tx["key"], 0):
                continue
            self.nonces[tx["key"]] = tx["nonce"]
            self.height += self.step
            self.included.append(tx_hash)
            outcome = self._run(tx["method"], tx["args"])
            gas = GAS[tx["method"]]
            self.done[tx_hash] = replace(
                outcome, gas_used=gas, total_cost=gas * 100, block_height=self.height
            )

    def verify_by_wallet(self, intent: Mapping[str, Any]) -> None:
        """The user's own verify_intent."""
        self.height += 1
        self._verify(dict(intent), None)

    def solve_by_another(self, intent_id: str) -> None:
        """Another relayer's verify_and_solve of what is verified."""
        self.height += 1
        self.kept[intent_id] |= {"status": "completed", "solver_account": "other.near"}
        self._tell(intent_id, "intent_completed")

    def remove(self, intent_id: str) -> None:
        """The owner's remove_verified_intent."""
        self.height += 1
        self.kept[intent_id] |= {"status": "failed", "reason": "removed by the owner"}
        self._tell(intent_id, "intent_failed")

    def _tell(self, intent_id: str, event: str) -> None:
        self.changed.append(
            Change(intent_id=intent_id, event=event, block_height=self.height, receipt_id=f"r-{self.height}")
        )

    def _run(self, method: str, args: dict[str, Any]) -> TxOutcome:
        if self.broken:
            return TxOutcome(state=TxState.FAILED, failure="no panic", failure_kind=self.broken.pop(0))
        if self.refusals:
            return _panic(self.refusals.pop(0))
        intent = args["intent"]
        kept = self.kept.get(intent["id"])
        if method == "verify_signed_intent":
            if kept is None:
                self.used.add(args["signed"]["payload"]["nonce"])
                self._verify(intent, args["signed"]["payload"]["message"])
            elif kept["intent"] != intent:
                return _panic("kept with another content")
            return TxOutcome(state=TxState.SUCCEEDED, value=True)
        if kept is None or kept["status"] != "verified":
            said = "not verified" if kept is None else str(kept["status"])
            return _panic(f"intent is {said}")
        if self.solver_fails > 0:
            self.solver_fails -= 1
            kept["failures"] += 1
            kept["reason"] = "the solver reported no success"
            kept["status"] = "failed" if kept["failures"] >= 3 else "verified"
            self._tell(intent["id"], "intent_put_back")
            return TxOutcome(state=TxState.SUCCEEDED, value=False, logs=("put back",))
        kept |= {"status": "completed", "solver_account": args["solver_account"]}
        self.effects["solve_intent", intent["id"]] += 1
        self._tell(intent["id"], "intent_completed")
        return TxOutcome(state=TxState.SUCCEEDED, value=True)

    def _verify(self, intent: dict[str, Any], message: str | None) -> None:
        self.kept[intent["id"]] = {"intent": intent, "status": "verified", "failures": 0, "message": message}
        self.effects["verify_signed_intent", intent["id"]] += 1
        self._tell(intent["id"], "intent_verified")

    def _seen(self, intent_id: str) -> ChainIntent:
        found = self.kept.get(intent_id)
        kept = None
        if found is not None:
            beside = {key: found.get(key) for key in ("status", "failures", "reason", "solver_account")}
            kept = strictjson.loads(json.dumps({**found["intent"], **beside}), max_bytes=1 << 20)
        return ChainIntent(
            status=None if found is None else found["status"], kept=kept, block_height=self.height,
            block_timestamp_ns=self.now_ns(),
        )  # fmt: skip

    def _view(self, view: ChainView) -> bool | bytes | int | str:
        match view:
            case HasPublicKey():
                return False
            case IsNonceUsed(_, nonce):
                return base64.b64encode(nonce).decode() in self.used
            case CurrentSalt():
                return b"\1\2\3\4"
            case IsValidSalt(salt):
                return salt == b"\1\2\3\4"
            case BalanceOf():
                return 0
            case Simulation(signed):
                assert isinstance(signed.payload, Nep413Payload)
                kept = self.kept.get(json.loads(signed.payload.message)["intents"][0]["id"])
                if kept is not None:
                    return (
                        ""
                        if kept["message"] == signed.payload.message
                        else "intent is kept with another content"
                    )
                used = base64.b64encode(signed.payload.nonce).decode() in self.used
                return "nonce was already used" if used else ""
            case IsRegistered():
                return False
            case IsKept(intent):
                kept = self._seen(intent.id).kept
                return kept is not None and same_intent(kept, intent)

    def _ask(self) -> None:
        if self.away > 0:
            self.away -= 1
            raise unavailable("chain node")


def _panic(words: str) -> TxOutcome:
    return TxOutcome(
        state=TxState.FAILED, failure=f"Smart contract panicked: {words}", failure_kind=Failure.CONTRACT
    )
