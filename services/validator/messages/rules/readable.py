"""Stage 4 of a message, second part: what the contract's JSON reader refuses, type by type."""

from typing import Final

from services.common.errors import Reason
from services.validator.messages.fields import PAYLOAD
from services.validator.messages.kinds import KINDS
from services.validator.messages.rules.faults import INTENT, readable
from services.validator.model import Reach
from services.validator.rules.rule import Kind, Rule

_OF_INTENTS: Final = tuple(dict.fromkeys(
    f"{INTENT}.{name}" for kind in KINDS.values() for name in ("intent", *kind.fields)
))  # fmt: skip
_OF_MESSAGE: Final = tuple(
    f"{PAYLOAD}.{name}" for name in ("signer_id", "verifying_contract", "deadline", "nonce", "intents")
)
_STATE_INIT: Final = tuple(
    f"{INTENT}.state_init{name}"
    for name in (".V1", ".V1.code", ".V1.code.hash", ".V1.code.account_id", ".V1.data")
)

json: Final = readable(
    "message-json",
    Kind.PROTOCOL,
    Reason.INVALID_MESSAGE,
    PAYLOAD,
    asks="The message is a JSON object.",
    mend="Build the message as near/intents' documentation shows it, and sign that text.",
    needs=Reach.DECODED,
)
fields: Final = readable(
    "message-fields",
    Kind.PROTOCOL,
    Reason.INVALID_MESSAGE,
    (*_OF_MESSAGE, INTENT, *_OF_INTENTS, f"{INTENT}.account_id", *_STATE_INIT),
    asks="The message and each of its intents have the fields they must have, each of its type.",
    mend="Add the field that is named, or give it as the type that is named: amounts are strings.",
    needs=Reach.DECODED,
)
kinds: Final = readable(
    "intent-kinds",
    Kind.PROTOCOL,
    Reason.INVALID_MESSAGE,
    f"{INTENT}.intent",
    asks="Each intent is of a kind that the contract has (setting INTENT_KINDS).",
    mend="Use one of the kinds that are named. A plain intent goes beside its signed message, not in one alone.",
    needs=Reach.DECODED,
)
accounts: Final = readable(
    "account-forms",
    Kind.PROTOCOL,
    Reason.INVALID_ACCOUNT,
    (
        *(f"{PAYLOAD}.{name}" for name in ("signer_id", "verifying_contract", "recipient")),
        *(
            f"{INTENT}.{name}"
            for name in (
                "receiver_id", "token", "contract_id", "deposit_for_account_id", "account_id", "referral", "minter_id",
                "state_init.V1.code.account_id",
            )
        ),
    ),
    asks="Every account in the message is a NEAR account id.",
    mend="Check the account's name: 2 to 64 characters, lower case, in parts that dots, - and _ separate.",
    needs=Reach.DECODED,
)  # fmt: skip
token_ids: Final = readable(
    "token-id-forms",
    Kind.PROTOCOL,
    Reason.UNKNOWN_TOKEN,
    (f"{INTENT}.diff", f"{INTENT}.tokens"),
    asks="Token ids are nep141:<account>, or nep171:, nep245: or imt: with <account>:<id>.",
    mend="Name the token with its standard; what follows the second colon is the token's own id, colons and all.",
    needs=Reach.DECODED,
)
amounts: Final = readable(
    "amount-forms",
    Kind.PROTOCOL,
    (Reason.INVALID_AMOUNT, Reason.AMOUNT_OUT_OF_RANGE),
    tuple(
        f"{INTENT}.{name}"
        for name in (
            "diff", "tokens", "amount", "amounts", "storage_deposit", "attached_deposit", "min_gas"
        )
    ),
    asks="Amounts are decimal digits in a string, 0 to 2^128-1; those of a diff -2^127 to 2^127-1; gas 0 to 2^64-1.",
    mend="Send whole numbers of the token's smallest unit as strings.",
    needs=Reach.DECODED,
)  # fmt: skip
public_keys: Final = readable(
    "public-key-forms",
    Kind.PROTOCOL,
    Reason.INVALID_MESSAGE,
    f"{INTENT}.public_key",
    asks="A key to add or remove is ed25519:<base58 of 32 bytes>, or secp256k1: or p256: with 64 bytes.",
    mend="Send the key as the wallet shows it, curve and colon included.",
    needs=Reach.DECODED,
)
nonce: Final = readable(
    "nonce-form",
    Kind.PROTOCOL,
    Reason.INVALID_NONCE,
    f"{PAYLOAD}.nonce",
    asks="The nonce is base64 of exactly 32 bytes.",
    mend="Draw 32 random bytes for each message, or make a versioned nonce of the contract's current_salt.",
    needs=Reach.DECODED,
)
deadline: Final = readable(
    "deadline-readable",
    Kind.PROTOCOL,
    Reason.INVALID_DEADLINE,
    f"{PAYLOAD}.deadline",
    asks="The message names a deadline: RFC 3339 with an offset.",
    mend='Sign a deadline like "2026-11-23T12:00:00Z".',
)

RULES: Final[tuple[Rule, ...]] = (
    json, fields, kinds, accounts, token_ids, amounts, public_keys, nonce, deadline,
)  # fmt: skip
