"""Wallets for tests: everything a user's wallet does, and what a hostile one might."""

import hashlib
import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from intents.v1 import intent_service_pb2 as service_pb
from intents_client.keys import Account, Keypair
from intents_client.plain import submission_from_body
from intents_client.signing import SigningInfo, sign_body, sign_nep413, sign_raw_ed25519
from intents_client.values import rfc3339
from services.common.domain import strictjson
from services.common.domain.intent import Submission
from services.common.domain.submissionjson import submission_from_json

NETWORK: Final = "localnet"
VERIFIER: Final = "verifier.near"

_serial = itertools.count(1)


def plain_fields(account_id: str, prefix: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """A valid intent of that account under a fresh id that begins so; `changes` replace fields, None removes one."""
    made: dict[str, Any] = {
        "id": f"{prefix}-{next(_serial)}-{account_id[:8]}",
        "user_account": account_id,
        "action": "swap",
        "input_token": "USDC",
        "input_amount": "100000000",
        "output_token": "NEAR",
        "min_output_amount": "95",
        "max_slippage": 0.5,
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


class Wallet:
    """One ed25519 key and the account it signs for: implicit by default, or the named one given.

    The same `seed` gives the same key; none gives a fresh one. A named account's key must be registered
    with the contract (has_public_key) before anything it signs is accepted.
    """

    def __init__(self, seed: str | bytes | None = None, *, account_id: str | None = None) -> None:
        raw = seed.encode() if isinstance(seed, str) else seed
        self.keypair = Keypair.generate() if raw is None else Keypair(hashlib.sha256(raw).digest())
        self.account_id = account_id or self.keypair.implicit_account
        self.account = Account(account_id=self.account_id, keypair=self.keypair)

    @property
    def public_key(self) -> str:
        """`ed25519:<base58>`."""
        return self.keypair.public_key

    def fields(self, **changes: Any) -> dict[str, Any]:
        """A valid intent of this account under a fresh id; `changes` replace fields, None removes one."""
        return plain_fields(self.account_id, "intent", changes)

    def sign_plain(
        self,
        fields: Mapping[str, Any] | None = None,
        network: str = NETWORK,
        verifier: str = VERIFIER,
        deadline: str | datetime | None = None,
        nonce: bytes | None = None,
        *,
        standard: str = "nep413",
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """The JSON body of POST /api/intents with signed_data over `fields` (default: `self.fields()`).

        `deadline` is the signed message's (RFC 3339 text or an aware datetime; default: 10 minutes ahead of the
        machine's clock; an intent's own deadline comes before both).
        """
        until = rfc3339(deadline) if isinstance(deadline, datetime) else deadline
        body = sign_body(
            self.fields() if fields is None else fields,
            SigningInfo(network=network, verifying_contract=verifier),
            self.account,
            deadline=until or rfc3339(datetime.now(UTC) + timedelta(minutes=10)),
            nonce=nonce,
            standard=standard,
        )
        if request_id is not None:
            body["request_id"] = request_id
        return body

    def sign_message(
        self,
        message: str,
        *,
        nonce: bytes = b"\7" * 32,
        recipient: str = VERIFIER,
        callback_url: str | None = None,
    ) -> dict[str, Any]:
        """signed_data (nep413) over any text at all."""
        return sign_nep413(message, self.account, nonce=nonce, recipient=recipient, callback_url=callback_url)

    def sign_raw(self, message: str) -> dict[str, Any]:
        """signed_data (raw_ed25519) over any text at all."""
        return sign_raw_ed25519(message, self.account)


def to_domain(body: Mapping[str, Any]) -> Submission:
    """A body as the edge's HTTP port reads it."""
    return submission_from_json(strictjson.loads(json.dumps(body), max_bytes=1 << 20))


def to_proto(body: Mapping[str, Any]) -> service_pb.Submission:
    """A body as a gRPC client sends it."""
    return submission_from_body(body)
