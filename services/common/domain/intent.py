"""Values of an intent: what was submitted, what was signed, what the store keeps."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.common.domain.lifecycle import TERMINAL, Status

REQUIRED_FIELDS: Final = ("id", "user_account", "action", "input_token", "input_amount", "output_token")
"""The seed's six, in the seed's order."""

ID_PATTERN: Final = re.compile(r"[A-Za-z0-9._:@\-]{1,128}")
"""Intent ids and request ids; use with fullmatch."""

METHOD_SUBMIT: Final = "SubmitIntent"
"""`method` of a request identity, whether it came alone, in a batch or over HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainIntent:
    """The fields a user signs. Amounts are decimal strings as sent; empty means missing for the first six."""

    id: str
    user_account: str
    action: str
    input_token: str
    input_amount: str
    output_token: str
    min_output_amount: str | None = None
    max_slippage_bps: int | None = None
    deadline_ns: int | None = None  # Unix nanoseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Nep413Payload:
    """The envelope a NEAR wallet signs; `nonce` is 32 bytes."""

    message: str
    nonce: bytes
    recipient: str
    callback_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TonConnectPayload:
    """What a TON wallet signs, of type "text". `address` as it came: raw or user-friendly."""

    address: str
    domain: str
    timestamp_ns: int  # Unix nanoseconds, not negative; whole seconds are signed
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebauthnAssertion:
    """What an authenticator signs: its own data, and the browser's JSON text with the challenge in it."""

    authenticator_data: bytes
    client_data_json: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedData:
    """A MultiPayload. `payload` is a Nep413Payload for nep413, a TonConnectPayload for ton_connect, the signed text
    for every other standard. `webauthn` is there for webauthn alone; `public_key` is empty for erc191 and tip191."""

    standard: str
    payload: Nep413Payload | TonConnectPayload | str
    public_key: str
    signature: str
    webauthn: WebauthnAssertion | None = None

    @property
    def text(self) -> str:
        """The text that holds the message."""
        payload = self.payload
        if isinstance(payload, str):
            return payload
        return payload.message if isinstance(payload, Nep413Payload) else payload.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One intent handed in. `intent` is None for a signed message on its own."""

    intent: PlainIntent | None
    signed_data: SignedData | None = None
    request_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewIntent:
    """A submission that passed validation, ready to be created."""

    principal: str
    submission: Submission
    expires_at: datetime
    method: str = METHOD_SUBMIT
    traceparent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Fixed at creation; a repeat gets the same."""

    intent_id: str
    created_at: datetime
    status: Status = Status.PENDING
    version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainTransaction:
    """A transaction as the public sees it. `status`: signed, success, failure or dead."""

    hash: str
    chain: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionDetails:
    """What happened on chain. `gas_used` in gas units, `total_cost` in yoctoNEAR, over all receipts."""

    solver_id: str = ""
    transactions: tuple[ChainTransaction, ...] = ()
    gas_used: int = 0
    total_cost: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorDetails:
    """Why an intent failed. `reason` is of the catalogue, `evidence` JSON text of at most 4 KiB."""

    reason: str
    message: str
    evidence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTransaction:
    """A transaction as it was signed, and what became of it. `purpose`: "verify" or "solve"."""

    purpose: str
    hash: str
    signed_bytes: bytes
    signer_id: str
    public_key: str
    nonce: int
    block_hash: str
    block_height: int
    chain: str
    status: str = "signed"
    gas_used: int = 0
    total_cost: int = 0
    evidence: str = ""
    solver_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A claim on an intent; every write of its holder carries `fence`."""

    owner: str
    fence: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentEvent:
    """One lifecycle move. Versions of an intent run from 1 without gaps."""

    intent_id: str
    user_id: str
    version: int
    status: Status
    occurred_at: datetime
    reason: str = ""
    execution_details: ExecutionDetails | None = None
    error_details: ErrorDetails | None = None
    traceparent: str = ""
    actor: str = ""
    principal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRecord:
    """Everything the store keeps of an intent. Times are aware UTC, floored to milliseconds."""

    intent_id: str
    user_id: str
    intent: PlainIntent
    status: Status
    version: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    principal: str
    content_hash: str
    request_id: str = ""
    signed_data: SignedData | None = None
    execution_details: ExecutionDetails | None = None
    error_details: ErrorDetails | None = None
    transactions: tuple[SignedTransaction, ...] = ()
    history: tuple[IntentEvent, ...] = ()
    lease: Lease | None = None
    next_action_at: datetime | None = None
    traceparent: str = ""
    foreign_write: bool = False

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def receipt(self) -> Receipt:
        """The answer its submission got, and every repeat gets."""
        return Receipt(intent_id=self.intent_id, created_at=self.created_at)

    @property
    def submission(self) -> Submission:
        """What was handed in."""
        return Submission(intent=self.intent, signed_data=self.signed_data, request_id=self.request_id)
