"""One error, three spellings: raised, on the wire, in HTTP."""

import json

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2

from services.common.errors import HTTP_STATUS, STATUS, IntentError, Reason, Violation
from services.common.rpc.errors import (
    DETAILS_KEY,
    MAX_STATUS_BYTES,
    from_rpc_error,
    from_status,
    problem,
    to_status,
)


def violation(index: int, length: int = 10) -> Violation:
    return Violation(field=f"field{index}", reason=Reason.MISSING_FIELD, message="ü" * length)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_goes_there_and_back(reason: Reason) -> None:
    error = IntentError(reason, "why", (violation(1), violation(2)), {"subject": "203.0.113.7"}, 1.5)
    status = to_status(error)
    back = from_status(status_pb2.Status.FromString(status.SerializeToString()))
    assert (back.reason, back.message, tuple(back.violations)) == (reason, "why", tuple(error.violations))
    assert (back.metadata, back.retry_after) == (error.metadata, 1.5)
    assert grpc.StatusCode[STATUS[reason]].value[0] == status.code
    kinds = [detail.type_url.rpartition(".")[2] for detail in status.details]
    assert kinds.count("ErrorInfo") == 1 and kinds[0] == "ErrorInfo"
    assert ("QuotaFailure" in kinds) == (reason is Reason.RATE_LIMITED)


def test_a_bare_error_has_only_its_info() -> None:
    status = to_status(IntentError(Reason.INTENT_NOT_FOUND, "none"))
    info = error_details_pb2.ErrorInfo.FromString(status.details[0].value)
    assert len(status.details) == 1
    assert (info.reason, info.domain, dict(info.metadata)) == ("INTENT_NOT_FOUND", "intents", {})


@pytest.mark.parametrize("length", [1, 200, 100_000])
def test_a_status_fits_and_says_what_was_left_out(length: int) -> None:
    many = tuple(violation(index, length) for index in range(500))
    metadata = {f"key{index}" * 50: "\ud800" + "€" * 1_000 for index in range(50)}
    for given_metadata in ({}, metadata):
        error = IntentError(Reason.RATE_LIMITED, "x" * 50_000, many, given_metadata, 1e6)
        status = to_status(error)
        back = from_status(status)
        assert status.ByteSize() <= MAX_STATUS_BYTES
        assert len(back.violations) + int(back.metadata["violations_omitted"]) == 500
        assert len(back.violations) >= 1 or given_metadata
        assert back.message.endswith("…") and back.retry_after == 1e6


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.UNAVAILABLE, Reason.DEPENDENCY_UNAVAILABLE),
        (grpc.StatusCode.CANCELLED, Reason.DEPENDENCY_UNAVAILABLE),
        (grpc.StatusCode.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, Reason.OVERLOADED),
        (grpc.StatusCode.UNIMPLEMENTED, Reason.NOT_IMPLEMENTED),
        (grpc.StatusCode.UNKNOWN, Reason.INTERNAL),
        (grpc.StatusCode.INTERNAL, Reason.INTERNAL),
        (grpc.StatusCode.DATA_LOSS, Reason.INTERNAL),
    ],
)
def test_a_strangers_error_by_its_code(code: grpc.StatusCode, reason: Reason) -> None:
    error = from_rpc_error(
        grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "connect to 10.0.0.1")
    )
    assert error.reason is reason and "10.0.0.1" not in str(error)


def test_details_that_are_no_details() -> None:
    broken = any_pb2.Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff")
    foreign = any_pb2.Any()
    foreign.Pack(error_details_pb2.ErrorInfo(reason="NONCE_USED", domain="example.com"))
    newer = any_pb2.Any()
    newer.Pack(error_details_pb2.ErrorInfo(reason="NOT_BORN_YET", domain="intents"))
    for detail, expected in ((broken, "x"), (foreign, "x"), (newer, "told")):
        error = from_status(status_pb2.Status(code=3, message="told", details=[detail]))
        assert error.reason is Reason.MALFORMED_REQUEST
        assert (error.message == "told") == (expected == "told")
    raw = grpc.aio.Metadata((DETAILS_KEY, b"\xff\xff"))
    assert from_rpc_error(
        grpc.aio.AioRpcError(grpc.StatusCode.ABORTED, grpc.aio.Metadata(), raw, "")
    ).reason is Reason.INTERNAL  # fmt: skip
    assert from_rpc_error(grpc.RpcError()).reason is Reason.INTERNAL


@pytest.mark.parametrize("reason", Reason)
def test_problem_json_of_every_reason(reason: Reason) -> None:
    body = problem(IntentError(reason, "why", (violation(1),), retry_after=0.2), trace_id="ab")
    assert body["status"] == HTTP_STATUS[reason] and body["reason"] == reason.value
    assert body["errors"] == ["ü" * 10] and body["retryAfter"] == 1 and body["traceId"] == "ab"
    assert body["details"] == [{"field": "field1", "reason": "MISSING_FIELD", "message": "ü" * 10}]
    assert json.loads(json.dumps(body)) == body


def test_problem_json_without_violations_repeats_its_detail() -> None:
    body = problem(IntentError(Reason.RATE_LIMITED, "Too many", retry_after=899.2))
    assert (body["errors"], body["details"], body["retryAfter"]) == (["Too many"], [], 900)
    assert body["title"] == "Rate limited" and "traceId" not in body
