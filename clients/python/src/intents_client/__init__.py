"""Typed asyncio client of the intent suite.

async with connect("127.0.0.1:50051") as client:
    info = await client.info()
    submission = sign_plain(fields, SigningInfo.of(info), Account.from_file(path))
    receipt = await client.submit(submission)
"""

from intents_client.client import TERMINAL, Client, connect, event_of
from intents_client.errors import (
    Aborted,
    AlreadyExists,
    Cancelled,
    DataLoss,
    DeadlineExceeded,
    FailedPrecondition,
    IntentsError,
    Internal,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    RateLimited,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    Violation,
)
from intents_client.keys import Account, KeyFileError, Keypair
from intents_client.plain import submission_from_body
from intents_client.shown import intent_to_json, status_word
from intents_client.signing import SigningInfo, sign_body, sign_plain
from intents_client.values import BodyError

__all__ = [
    "TERMINAL",
    "Aborted",
    "Account",
    "AlreadyExists",
    "BodyError",
    "Cancelled",
    "Client",
    "DataLoss",
    "DeadlineExceeded",
    "FailedPrecondition",
    "IntentsError",
    "Internal",
    "InvalidArgument",
    "KeyFileError",
    "Keypair",
    "NotFound",
    "OutOfRange",
    "PermissionDenied",
    "RateLimited",
    "SigningInfo",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "Violation",
    "connect",
    "event_of",
    "intent_to_json",
    "sign_body",
    "sign_plain",
    "status_word",
    "submission_from_body",
]
