"""Sizes that hurt whoever reads them: refused before anything of them is parsed, hashed or checked."""

import json
from typing import Any

import pytest

from services.common.domain import strictjson
from services.common.domain.submissionjson import submission_from_json
from services.common.errors import Reason
from services.validator.standards import standard
from tests.harness.standards import STANDARDS, StandardWallet
from tests.unit.validator.support import SOON, found, judge

INTENT = {"intent": "plain", "id": "x", "user_account": "a.near", "action": "swap"}
HUGE = {
    "deep": "[" * 100_000,
    "deep and closed": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a string of 10 MB": json.dumps({"signer_id": "x" * 10_000_000}),
    "100,000 intents": json.dumps({"signer_id": "a.near", "intents": [INTENT] * 100_000}),
    "a number of a million digits": '{"deadline":' + "9" * 1_000_000 + "}",
}


class _Untouched:
    """Stands where work would be done."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked of something that should have been refused before")

    def __call__(self, *args: object) -> Any:
        raise AssertionError("it was called for something that should have been refused before")


@pytest.mark.parametrize("which", STANDARDS)
@pytest.mark.parametrize("what", HUGE)
async def test_p10_a_huge_message_is_refused_unread(
    which: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = StandardWallet(which, "hostile")
    body = wallet.sign_plain(wallet.fields(max_slippage=None), deadline=SOON)
    sent = body["signed_data"]
    if which == "nep413":
        sent["payload"]["message"] = HUGE[what]
    elif which == "ton_connect":
        sent["payload"]["text"] = HUGE[what]
    else:
        sent["payload"] = HUGE[what]
    domain = submission_from_json(body)
    monkeypatch.setattr(strictjson, "_DECODER", _Untouched())
    verdict = await judge(domain)
    assert not verdict.valid
    assert {reason for _, reason in found(verdict)} <= {Reason.INVALID_MESSAGE, Reason.INVALID_SIGNATURE}


@pytest.mark.parametrize("what", HUGE)
def test_p10_a_huge_body_is_refused_unread(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strictjson, "_DECODER", _Untouched())
    with pytest.raises(strictjson.StrictJsonError):
        strictjson.loads(HUGE[what].encode(), max_bytes=262_144)


def test_p10_a_long_number_is_never_made_one() -> None:
    for text in ('{"a":' + "9" * 200_000 + "}", '{"a":-' + "9" * 200_000 + "}", "9" * 65):
        with pytest.raises(strictjson.StrictJsonError, match="more than 64 digits"):
            strictjson.loads(text, max_bytes=262_144)


@pytest.mark.parametrize("name", ["public_key", "signature"])
async def test_p10_a_long_key_or_signature_is_not_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    wallet = StandardWallet("raw_ed25519", "hostile")
    body = wallet.sign_plain(wallet.fields(max_slippage=None), deadline=SOON)
    body["signed_data"][name] = "ed25519:" + "z" * 100_000
    monkeypatch.setattr(standard, "ed25519_signed", _Untouched())
    verdict = await judge(submission_from_json(body))
    assert found(verdict)[0] == (f"signed_data.{name}", Reason.INVALID_SIGNATURE)


async def test_p10_huge_client_data_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    wallet = StandardWallet("webauthn", "hostile")
    for text in ("[" * 100_000, '{"type":"' + "x" * 10_000_000 + '"}', '{"n":' + "9" * 1_000_000 + "}"):
        body = wallet.sign_plain(wallet.fields(max_slippage=None), deadline=SOON)
        body["signed_data"]["client_data_json"] = text
        verdict = await judge(submission_from_json(body))
        assert Reason.INVALID_SIGNATURE in {reason for _, reason in found(verdict)}
