"""The Verifier alone, on a state that every call leaves as it was; and the chain's views as the validator asks them."""

import base64
import json
from collections.abc import Sequence
from typing import Any, Final

from services.common.domain import strictjson
from services.common.domain.plainjson import same_intent
from services.common.domain.views import ChainView, HasPublicKey, IsKept, IsNonceUsed, IsValidSalt, ViewAnswer
from services.common.errors import IntentError
from services.devnet.contracts.native import NativeEngine
from services.devnet.contracts.port import Panic
from services.devnet.contracts.verifier import METHODS
from tests.harness.signing import NETWORK, VERIFIER

RELAYER: Final = "relayer.near"


class _Host:
    """A call that is alone on the chain."""

    signer_id = RELAYER
    deposit = 0
    block_height = 7
    is_view = False

    def __init__(self, state: dict[str, bytes], timestamp: int, predecessor_id: str) -> None:
        self.account_id = VERIFIER
        self.predecessor_id = predecessor_id
        self.timestamp = timestamp
        self._state = state
        self.written: dict[str, bytes | None] = {}

    def read(self, key: str) -> bytes | None:
        return self.written[key] if key in self.written else self._state.get(key)

    def write(self, key: str, value: bytes) -> None:
        self.written[key] = value

    def remove(self, key: str) -> None:
        self.written[key] = None

    def log(self, line: str) -> None:
        pass

    def burn(self, gas: int) -> None:
        pass

    def promise_results(self) -> list[bytes | None]:
        raise AssertionError("nothing here waits for a promise")

    def promise(self, account_id: str, method: str, args: bytes, gas: int, after: int | None = None) -> int:
        raise AssertionError("nothing here makes a promise")


class Contract:
    """Satisfies `services.common.ports.ChainViews`."""

    def __init__(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._state: dict[str, bytes] = {}
        self._engine = NativeEngine({"verifier": METHODS})
        self.keep("init", {"owner": "owner.near", "network": NETWORK}, by=VERIFIER)

    @property
    def salt(self) -> bytes:
        """The one in force."""
        return bytes.fromhex(json.loads(self._call("current_salt", {})))

    def keep(self, method: str, args: dict[str, Any], *, by: str = RELAYER) -> None:
        """A call whose effects stay. Raises Panic."""
        host = _Host(self._state, self._now_ns, by)
        self._engine.call("verifier", host, method, json.dumps(args).encode())
        self._state.update({key: value for key, value in host.written.items() if value is not None})

    def refusal(self, intent: object, signed: object) -> str:
        """Why verify_signed_intent refuses it; "" if it does not. Nothing is kept."""
        try:
            self._call("verify_signed_intent", {"intent": intent, "signed": signed})
        except Panic as error:
            return str(error)
        return ""

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        return [ViewAnswer(value=self._view(view), block_height=7) for view in asked]

    def _view(self, view: ChainView) -> bool:
        match view:
            case HasPublicKey(account, key):
                said = self._call("has_public_key", {"account_id": account, "public_key": key})
            case IsNonceUsed(account, nonce):
                text = base64.b64encode(nonce).decode()
                said = self._call("is_nonce_used", {"account_id": account, "nonce": text})
            case IsKept(intent):
                found = strictjson.loads(
                    self._call("get_intent", {"intent_id": intent.id}), max_bytes=1 << 20
                )
                return found is not None and same_intent(found, intent)
            case IsValidSalt(salt):
                said = self._call("is_valid_salt", {"salt": salt.hex()})
            case _:
                raise AssertionError(f"no rule asks {view}")
        return bool(json.loads(said))

    def _call(self, method: str, args: dict[str, Any]) -> bytes:
        host = _Host(self._state, self._now_ns, RELAYER)
        answer = self._engine.call("verifier", host, method, json.dumps(args).encode())
        assert isinstance(answer, bytes)
        return answer
