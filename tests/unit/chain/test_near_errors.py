"""What a node's errors mean. What the table does not know is unknown, never failed."""

import pytest

from services.common.chain.near.errors import (
    HANDLER,
    INVALID_TRANSACTION,
    OTHER,
    PANIC_TEXT,
    Advice,
    NearError,
    advice,
    broadcast_result,
    near_error,
    panic_of,
)
from services.common.chain.port import BroadcastResult

CAUSES = [
    "UNKNOWN_BLOCK",
    "GARBAGE_COLLECTED_BLOCK",
    "INVALID_ACCOUNT",
    "UNKNOWN_ACCOUNT",
    "UNKNOWN_ACCESS_KEY",
    "UNAVAILABLE_SHARD",
    "NO_SYNCED_BLOCKS",
    "NO_CONTRACT_CODE",
    "TOO_LARGE_CONTRACT_STATE",
    "CONTRACT_EXECUTION_ERROR",
    "INVALID_TRANSACTION",
    "UNKNOWN_TRANSACTION",
    "DOES_NOT_TRACK_SHARD",
    "REQUEST_ROUTED",
    "TIMEOUT_ERROR",
]
"""nearcore `chain/jsonrpc-primitives`, every cause of a HANDLER_ERROR."""

INVALID = [
    "InvalidAccessKeyError",
    "InvalidSignerId",
    "SignerDoesNotExist",
    "InvalidNonce",
    "NonceTooLarge",
    "InvalidReceiverId",
    "InvalidSignature",
    "NotEnoughBalance",
    "LackBalanceForState",
    "CostOverflow",
    "InvalidChain",
    "Expired",
    "ActionsValidation",
    "TransactionSizeExceeded",
    "InvalidTransactionVersion",
    "StorageError",
    "ShardCongested",
    "ShardStuck",
]
"""nearcore `core/primitives/src/errors.rs`, every InvalidTxError."""


def test_every_cause_of_a_handler_error_is_in_the_table() -> None:
    assert set(CAUSES) <= HANDLER.keys()


def test_every_kind_of_invalid_transaction_is_in_the_table() -> None:
    assert set(INVALID) == INVALID_TRANSACTION.keys()


def test_the_other_names_are_in_the_table() -> None:
    assert {"REQUEST_VALIDATION_ERROR", "PARSE_ERROR", "INTERNAL_ERROR"} <= OTHER.keys()


def invalid(kind: object) -> NearError:
    return near_error(
        {
            "name": "HANDLER_ERROR",
            "cause": {"name": "INVALID_TRANSACTION", "info": {}},
            "code": -32000,
            "data": {"TxExecutionError": {"InvalidTxError": kind}},
            "message": "Server error",
        }
    )


@pytest.mark.parametrize(
    ("kind", "means", "amounts_to"),
    [
        ({"InvalidNonce": {"tx_nonce": 3, "ak_nonce": 4}}, Advice.LOOK_UP, BroadcastResult.NONCE_TAKEN),
        ("Expired", Advice.LOOK_UP, BroadcastResult.EXPIRED),
        ("InvalidChain", Advice.LOOK_UP, BroadcastResult.EXPIRED),
        ("InvalidSignature", Advice.RE_SIGN, BroadcastResult.REFUSED),
        ({"NotEnoughBalance": {"balance": "0"}}, Advice.RETRY_LATER, BroadcastResult.REFUSED),
        ({"InvalidAccessKeyError": "RequiresFullAccess"}, Advice.RETRY_LATER, BroadcastResult.REFUSED),
        ({"ShardStuck": {}}, Advice.RETRY_LATER, BroadcastResult.UNKNOWN),
        ("SomethingNew", Advice.UNKNOWN, BroadcastResult.UNKNOWN),
    ],
)
def test_an_invalid_transaction_is_told_apart_by_kind(
    kind: object, means: Advice, amounts_to: BroadcastResult
) -> None:
    assert (advice(invalid(kind)), broadcast_result(invalid(kind))) == (means, amounts_to)


def test_the_kind_is_found_in_info_too() -> None:
    error = NearError(
        "HANDLER_ERROR", "INVALID_TRANSACTION", {"InvalidNonce": {"tx_nonce": 1, "ak_nonce": 1}}
    )
    assert advice(error) is Advice.LOOK_UP


@pytest.mark.parametrize(
    "body",
    [
        None,
        "boom",
        {},
        {"name": "HANDLER_ERROR", "cause": "TEXT"},
        {"name": "HANDLER_ERROR", "cause": {"name": "BRAND_NEW", "info": None}},
        {"name": "BRAND_NEW_ERROR"},
    ],
)
def test_p04_an_error_nobody_knows_is_unknown_and_ends_nothing(body: object) -> None:
    error = near_error(body)
    assert advice(error) is Advice.UNKNOWN
    assert broadcast_result(error) is BroadcastResult.UNKNOWN


@pytest.mark.parametrize(
    "cause", ["TIMEOUT_ERROR", "REQUEST_ROUTED", "DOES_NOT_TRACK_SHARD", "INTERNAL_ERROR"]
)
def test_p04_a_node_in_trouble_leaves_a_broadcast_unknown(cause: str) -> None:
    assert broadcast_result(NearError("HANDLER_ERROR", cause)) is BroadcastResult.UNKNOWN


def test_an_error_speaks_in_the_nodes_words_within_bounds() -> None:
    assert "InvalidNonce" in str(invalid({"InvalidNonce": {}}))
    assert len(str(NearError("X", message="y" * 10_000))) <= 500


def test_a_contracts_own_words_are_told_from_a_nodes_trouble() -> None:
    def refused(text: str, cause: str = "CONTRACT_EXECUTION_ERROR") -> NearError:
        return NearError("HANDLER_ERROR", cause, info={"vm_error": text})

    # as nearcore writes a view's end (runtime/near-vm-runner), and as devnet does
    real = 'wasm execution failed with error: HostError(GuestPanic { panic_msg: "insufficient balance or overflow" })'
    assert panic_of(refused(real)) == "insufficient balance or overflow"
    assert panic_of(refused(real.replace('"', "'"))) == "insufficient balance or overflow"
    assert panic_of(NearError("HANDLER_ERROR", "CONTRACT_EXECUTION_ERROR", message=real)) is not None
    assert panic_of(refused('panic_msg: ""')) == "no reason given"
    long = panic_of(refused('panic_msg: "' + "\x1bé" * 1_000 + '"'))
    assert long is not None and len(long) == PANIC_TEXT and long.isascii() and long.isprintable()
    for text in ("MethodResolveError(MethodNotFound)", "HostError(GasLimitExceeded)", ""):
        assert panic_of(refused(text)) is None
    assert panic_of(refused(real, "UNAVAILABLE_SHARD")) is None
