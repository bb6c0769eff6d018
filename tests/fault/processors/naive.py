"""The seed's IntentProcessor as it stands there, in Python: what it does is right as long as nothing breaks.

It is what the table of faults compares with, and does nothing the seed's own text does not say: it validates, submits,
tracks, writes a failure it is told of with one `updateOne`, and logs what it did not expect. Its database is a dict.
"""

import base64
import logging
from collections.abc import Mapping
from typing import Any, Final

import aiohttp

from tests.harness.near import Sender, call_action

logger = logging.getLogger(__name__)

VERIFIER: Final = "verifier.near"
SOLVER: Final = "solver.near"
GIVE_UP: Final = 8.0
"""Seconds an HTTP client waits for an answer."""


class Killed(BaseException):
    """kill -9, at a place a test chose."""


class NaiveProcessor:
    """`intents` is its collection: id -> document with `status`, `intent`, `signed`."""

    def __init__(
        self, url: str, session: aiohttp.ClientSession, sender: Sender, intents: dict[str, dict[str, Any]]
    ) -> None:
        self._url = url
        self._session = session
        self._sender = sender
        self._intents = intents
        self.killed_after = ""
        """A method: right after its transaction was sent, and before anything was written, the process dies."""

    async def run(self) -> None:
        """Everything that is pending, one after the other, as after a start."""
        for intent_id, document in list(self._intents.items()):
            if document["status"] == "pending":
                await self.process_intent(intent_id)

    async def process_intent(self, intent_id: str) -> dict[str, Any]:
        document = self._intents[intent_id]
        try:
            # 1. off chain: what it gets here is valid
            # 2. submit to the Verifier
            intent, signed = document["intent"], document["signed"]
            answer = await self._submit("verify_signed_intent", {"intent": intent, "signed": signed})
            if not answer["success"]:
                return self.handle_verification_error(intent_id, answer["error"])
            # 3. track
            return await self.track_execution(intent_id)
        except Exception as error:
            logger.info("unexpected: %r", error)
            return {"success": False, "error": "Unexpected error processing intent"}

    async def track_execution(self, intent_id: str) -> dict[str, Any]:
        document = self._intents[intent_id]
        document["status"] = "verified"
        solve = {"intent": document["intent"], "solver_account": SOLVER}
        document["status"] = "executing"
        answer = await self._submit("verify_and_solve", solve)
        if not answer["success"]:
            return self.handle_verification_error(intent_id, answer["error"])
        document["status"] = "completed"
        return {"success": True}

    def handle_verification_error(self, intent_id: str, error: Any) -> dict[str, Any]:
        self._intents[intent_id] |= {"status": "failed", "errorDetails": error}
        return {"success": False, "error": "Intent verification failed", "details": error}

    async def _submit(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Signs with the nonce after the key's, sends, and takes the first answer for the truth."""
        query = {
            "request_type": "view_access_key", "finality": "optimistic", "account_id": self._sender.account_id,
            "public_key": self._sender.pair.public_key,
        }  # fmt: skip
        key = await self._rpc("query", query)
        if "error" in key:
            return {"success": False, "error": key["error"]}
        signed = self._sender.sign(
            VERIFIER, [call_action(method, arguments)], key["result"]["block_hash"],
            nonce=key["result"]["nonce"] + 1,
        )  # fmt: skip
        sent = {"signed_tx_base64": base64.b64encode(signed).decode(), "wait_until": "EXECUTED_OPTIMISTIC"}
        answer = await self._rpc("send_tx", sent)
        if method == self.killed_after:
            raise Killed
        if "error" in answer:
            return {"success": False, "error": answer["error"]}
        status = answer["result"]["status"]
        value = base64.b64decode(status.get("SuccessValue", ""))
        return {"success": value == b"true", "error": status}

    async def _rpc(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": "naive", "method": method, "params": params}
        timeout = aiohttp.ClientTimeout(total=GIVE_UP)
        async with self._session.post(self._url, json=body, timeout=timeout) as response:
            answer: dict[str, Any] = await response.json()
        return answer
