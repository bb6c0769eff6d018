"""What a node's errors mean. What the table does not know is unknown, never failed."""

import pytest

from services.common.chain.near.errors import (
    ACCESS_KEY,
    ACTION,
    FUNCTION_CALL,
    HANDLER,
    INVALID_TRANSACTION,
    OTHER,
    PANIC_TEXT,
    Advice,
    NearError,
    advice,
    broadcast_result,
    failure_of,
    near_error,
    panic_of,
)
from services.common.chain.port import BroadcastResult, Failure

PROTOCOLS = """
UNKNOWN_BLOCK GARBAGE_COLLECTED_BLOCK INVALID_ACCOUNT UNKNOWN_ACCOUNT UNKNOWN_ACCESS_KEY UNAVAILABLE_SHARD
NO_SYNCED_BLOCKS NO_CONTRACT_CODE TOO_LARGE_CONTRACT_STATE CONTRACT_EXECUTION_ERROR INVALID_TRANSACTION
UNKNOWN_TRANSACTION DOES_NOT_TRACK_SHARD REQUEST_ROUTED TIMEOUT_ERROR
"""
"""The causes of a HANDLER_ERROR that NEAR's documentation lists for the methods used here."""

NEARCORE = """
NOT_SYNCED_YET IO_ERROR UNREACHABLE INTERNAL_ERROR NO_GLOBAL_CONTRACT_CODE UNKNOWN_GAS_KEY
UNKNOWN_TRANSACTION_OR_RECEIPT NOT_CONFIRMED CHUNK_NOT_CERTIFIED INCONSISTENT_STATE
"""
"""nearcore `chain/jsonrpc-primitives/src/types/{query,blocks,transactions,light_client}.rs`: what they name beside."""

INVALID = """
InvalidAccessKeyError InvalidSignerId SignerDoesNotExist InvalidNonce NonceTooLarge InvalidReceiverId InvalidSignature
NotEnoughBalance LackBalanceForState CostOverflow InvalidChain Expired ActionsValidation TransactionSizeExceeded
InvalidTransactionVersion StorageError ShardCongested ShardStuck InvalidNonceIndex NotEnoughGasKeyBalance
NotEnoughBalanceForDeposit
"""
"""nearcore `core/primitives/src/errors.rs`, every InvalidTxError."""

KEY = """
AccessKeyNotFound ReceiverMismatch MethodNameMismatch RequiresFullAccess NotEnoughAllowance DepositWithFunctionCall
"""
"""The same file, every InvalidAccessKeyError."""

VALIDATION = """
DeleteActionMustBeFinal TotalPrepaidGasExceeded TotalNumberOfActionsExceeded AddKeyMethodNamesNumberOfBytesExceeded
AddKeyMethodNameLengthExceeded IntegerOverflow InvalidAccountId ContractSizeExceeded
FunctionCallMethodNameLengthExceeded FunctionCallArgumentsLengthExceeded UnsuitableStakingKey
FunctionCallZeroAttachedGas DelegateActionMustBeOnlyOne UnsupportedProtocolFeature
InvalidDeterministicStateInitReceiver DeterministicStateInitKeyLengthExceeded
DeterministicStateInitValueLengthExceeded
"""
"""The same file, every ActionsValidationError."""

ACTIONS = """
AccountAlreadyExists AccountDoesNotExist CreateAccountOnlyByRegistrar CreateAccountNotAllowed ActorNoPermission
DeleteKeyDoesNotExist AddKeyAlreadyExists DeleteAccountStaking LackBalanceForState TriesToUnstake TriesToStake
InsufficientStake FunctionCallError NewReceiptValidationError OnlyImplicitAccountCreationAllowed
DeleteAccountWithLargeState NonRefundableTransferToExistingAccount DelegateActionInvalidSignature
DelegateActionSenderDoesNotMatchTxReceiver DelegateActionExpired DelegateActionAccessKeyError
DelegateActionInvalidNonce DelegateActionNonceTooLarge GlobalContractDoesNotExist GasKeyDoesNotExist
InsufficientGasKeyBalance GasKeyBalanceTooHigh
"""
"""The same file, every ActionErrorKind."""

CALLS = """
CompilationError LinkError MethodResolveError WasmTrap WasmUnknownError HostError _EVMError ExecutionError
"""
"""The same file, every FunctionCallError."""


def test_every_error_that_nearcore_names_is_in_the_table() -> None:
    """And nothing else is: a name that no node says would be a guess."""
    assert {*PROTOCOLS.split(), *NEARCORE.split()} == HANDLER.keys()
    assert {"REQUEST_VALIDATION_ERROR", "PARSE_ERROR", "METHOD_NOT_FOUND", "INTERNAL_ERROR"} == OTHER.keys()
    assert set(INVALID.split()) == INVALID_TRANSACTION.keys()
    assert set(KEY.split()) == ACCESS_KEY.keys()
    assert set(ACTIONS.split()) == ACTION.keys()
    assert set(CALLS.split()) == FUNCTION_CALL.keys()


@pytest.mark.parametrize("kind", VALIDATION.split())
def test_bytes_with_invalid_actions_are_signed_anew_whatever_was_wrong(kind: str) -> None:
    for form in (kind, {kind: {"limit": 1}}):
        error = invalid({"ActionsValidation": form})
        assert (advice(error), broadcast_result(error)) == (Advice.RE_SIGN, BroadcastResult.REFUSED)


def action(kind: object) -> object:
    return {"ActionError": {"index": 0, "kind": kind}}


@pytest.mark.parametrize(
    ("failure", "means", "speaks_of"),
    [
        (
            action({"FunctionCallError": {"ExecutionError": "Smart contract panicked: no"}}),
            Advice.FINAL,
            Failure.CONTRACT,
        ),
        (
            action({"FunctionCallError": {"ExecutionError": "Exceeded the prepaid gas."}}),
            Advice.RE_SIGN,
            Failure.OUT_OF_GAS,
        ),
        (
            action({"FunctionCallError": {"MethodResolveError": "MethodNotFound"}}),
            Advice.RETRY_LATER,
            Failure.NO_CONTRACT,
        ),
        (
            action(
                {"FunctionCallError": {"CompilationError": {"CodeDoesNotExist": {"account_id": "v.near"}}}}
            ),
            Advice.RETRY_LATER,
            Failure.NO_CONTRACT,
        ),
        (action({"AccountDoesNotExist": {"account_id": "v.near"}}), Advice.RETRY_LATER, Failure.NO_CONTRACT),
        (action({"LackBalanceForState": {"amount": "1"}}), Advice.RETRY_LATER, Failure.LOW_BALANCE),
        (action("DelegateActionExpired"), Advice.RE_SIGN, Failure.OTHER),
        ({"InvalidTxError": {"NotEnoughBalance": {}}}, Advice.RETRY_LATER, Failure.LOW_BALANCE),
        ({"InvalidTxError": "Expired"}, Advice.LOOK_UP, Failure.OTHER),
        (action({"FunctionCallError": "WasmUnknownError"}), Advice.UNKNOWN, Failure.OTHER),
        (action({"BrandNew": {}}), Advice.UNKNOWN, Failure.OTHER),
        (action(None), Advice.UNKNOWN, Failure.OTHER),
        ({"ActionError": 7}, Advice.UNKNOWN, Failure.OTHER),
        ("boom", Advice.UNKNOWN, Failure.OTHER),
    ],
)
def test_p04_only_the_contracts_own_word_is_about_the_intent(
    failure: object, means: Advice, speaks_of: Failure
) -> None:
    assert failure_of(failure) == (means, speaks_of)


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
        ({"NotEnoughBalance": {"balance": "0"}}, Advice.RETRY_LATER, BroadcastResult.LOW_BALANCE),
        ({"LackBalanceForState": {"amount": "1"}}, Advice.RETRY_LATER, BroadcastResult.LOW_BALANCE),
        ({"InvalidAccessKeyError": "RequiresFullAccess"}, Advice.RE_SIGN, BroadcastResult.REFUSED),
        (
            {"InvalidAccessKeyError": {"NotEnoughAllowance": {"allowance": "0"}}},
            Advice.RETRY_LATER,
            BroadcastResult.LOW_BALANCE,
        ),
        ({"InvalidAccessKeyError": "SomethingNew"}, Advice.RETRY_LATER, BroadcastResult.REFUSED),
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
