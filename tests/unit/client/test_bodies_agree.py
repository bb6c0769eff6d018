"""A body means the same to the client, the CLI and the edge: the same field is named, with the same words."""

from typing import Any

import pytest

from intents_client import BodyError
from services.common.convert.intents import submission_to_proto
from services.common.errors import IntentError, Reason, Violation
from services.common.rpc.errors import to_status
from services.validator.model import shown
from tests.harness.signing import Wallet, to_domain, to_proto

WALLET = Wallet("bodies")


def with_signed(**changes: Any) -> dict[str, Any]:
    body = WALLET.sign_plain()
    return body | {"signed_data": body["signed_data"] | changes}


def with_payload(**changes: Any) -> dict[str, Any]:
    return with_signed(payload=WALLET.sign_plain()["signed_data"]["payload"] | changes)


UNREADABLE: list[tuple[str, dict[str, Any]]] = [
    ("admin", {"admin": True}),
    ("id", {"id": 7}),
    ("action", {"action": True}),
    ("input_token", {"input_token": []}),
    ("output_token", {"output_token": {}}),
    ("min_output_amount", {"min_output_amount": 0}),
    ("max_slippage", {"max_slippage": "1"}),
    ("max_slippage", {"max_slippage": False}),
    ("max_slippage", {"max_slippage": -1}),
    ("max_slippage", {"max_slippage": 0.125}),
    ("deadline", {"deadline": "tomorrow"}),
    ("deadline", {"deadline": "2030-02-30T00:00:00Z"}),
    ("deadline", {"deadline": -1}),
    ("request_id", {"request_id": 0}),
    ("signed_data", {"signed_data": "x"}),
    ("signed_data.extra", with_signed(extra=1)),
    ("signed_data.standard", with_signed(standard=1)),
    ("signed_data.signature", with_signed(signature=[])),
    ("signed_data.public_key", with_signed(public_key=0)),
    ("signed_data.payload", with_signed(payload=5)),
    ("signed_data.payload.extra", with_payload(extra=1)),
    ("signed_data.payload.message", with_payload(message=1)),
    ("signed_data.payload.nonce", with_payload(nonce="!!")),
    ("signed_data.payload.nonce", with_payload(nonce="é")),
    ("signed_data.payload.recipient", with_payload(recipient={})),
    ("signed_data.payload.callbackUrl", with_payload(callbackUrl=1)),
]


@pytest.mark.parametrize(("field", "body"), UNREADABLE)
def test_p10_what_cannot_be_read_is_named_alike(field: str, body: dict[str, Any]) -> None:
    with pytest.raises(BodyError) as client:
        to_proto(body)
    with pytest.raises(IntentError) as edge:
        to_domain(body)
    assert client.value.field == edge.value.violations[0].field == field
    assert str(client.value) == edge.value.violations[0].message


@pytest.mark.parametrize("missing", [None, "", 0, 0.0, False])
@pytest.mark.parametrize("name", ["id", "user_account", "input_amount"])
def test_p10_missing_means_the_same_everywhere(name: str, missing: object) -> None:
    body = WALLET.sign_plain() | {name: missing}
    assert to_proto(body) == submission_to_proto(to_domain(body))
    assert getattr(to_proto(body).intent, name) == ""


@pytest.mark.parametrize("extra", [{}, {"request_id": "r"}, {"id": None}, {"deadline": None}, {"id": "x"}])
def test_a_message_on_its_own_is_one_everywhere(extra: dict[str, Any]) -> None:
    body = {"signed_data": WALLET.sign_plain()["signed_data"]} | extra
    assert to_proto(body) == submission_to_proto(to_domain(body))
    assert to_proto(body).HasField("intent") is bool(extra.keys() - {"request_id"})


@pytest.mark.parametrize("standard", ["NEP413", "raw_ed25519", "eip712", ""])
def test_p10_the_standard_is_the_validators_to_judge(standard: str) -> None:
    body = with_signed(standard=standard)
    assert to_proto(body) == submission_to_proto(to_domain(body))
    text = with_signed(standard=standard, payload="text")
    assert to_proto(text) == submission_to_proto(to_domain(text))


def test_p10_a_strangers_text_is_quoted_in_full_length_on_no_transport() -> None:
    for text in ("😀" * 200, "\0" * 500, "é" * 60, "'" * 80, "a" * 10_000):
        message = f"id must be 1 to 128 characters of A-Za-z0-9._:@-, not {shown(text)}"
        violation = Violation(field="id", reason=Reason.INVALID_ID, message=message)
        status = to_status(IntentError(Reason.INVALID_ID, message, [violation]))
        assert message.isascii() and len(message) < 200
        assert status.message == message
    assert shown("plain") == "'plain'" and shown("\n") == r"'\n'"
