"""The catalogue of reasons is complete: whatever is refused has one gRPC status and one HTTP status."""

import grpc

from services.common.errors import HTTP_STATUS, STATUS, Reason


def test_every_reason_has_a_status() -> None:
    assert STATUS.keys() == set(Reason)
    assert set(STATUS.values()) <= {code.name for code in grpc.StatusCode} - {"OK", "UNKNOWN"}


def test_every_reason_has_an_http_status() -> None:
    assert HTTP_STATUS.keys() == set(Reason)
    assert all(400 <= status <= 599 for status in HTTP_STATUS.values())


def test_a_reason_is_spelled_as_it_is_named() -> None:
    assert [reason for reason in Reason if reason.name != reason.value] == []
