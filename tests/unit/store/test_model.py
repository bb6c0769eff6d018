"""Keys, cursors and page tokens, alone."""

import pytest

from services.common.domain.intent import Submission
from services.common.domain.lifecycle import Status
from services.common.domain.outcomes import ListQuery, RequestIdentity
from services.common.errors import IntentError, Reason
from services.store.model import (
    PageKey,
    check_batch,
    decode_cursor,
    decode_page_token,
    encode_cursor,
    encode_page_token,
    nonce_key,
    partition_of,
    request_key,
)
from tests.unit.store.support import START, nep413, nonce_of, plain, raw_ed25519


def identity(principal: str, request_id: str) -> RequestIdentity:
    return RequestIdentity(principal=principal, method="SubmitIntent", request_id=request_id)


def test_no_two_requests_share_a_key() -> None:
    pairs = [("a", "b"), ('a"', "b"), ("a", '"b'), ('a","SubmitIntent', "b"), ("", "ab"), ("ab", "")]
    assert len({request_key(identity(*pair)) for pair in pairs}) == len(pairs)


def test_a_nonce_is_the_same_in_every_standard() -> None:
    intent, nonce = plain(), nonce_of("n")
    keys = {
        nonce_key(Submission(intent=intent, signed_data=signed))
        for signed in (nep413(intent, nonce), raw_ed25519(intent, nonce))
    }
    assert len(keys) == 1
    assert nonce_key(Submission(intent=intent)) is None
    alone = nonce_key(Submission(intent=None, signed_data=nep413(intent, nonce)))
    assert {alone} == keys


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "AAAA"},
        {"nonce": None},
        {"signer_id": 7},
        {"verifying_contract": None},
        {"verifying_contract": []},
    ],
)
def test_a_message_that_names_no_nonce_is_refused(changes: dict[str, object]) -> None:
    intent = plain()
    signed = raw_ed25519(intent, nonce_of("n"), **changes)
    with pytest.raises(IntentError) as error:
        nonce_key(Submission(intent=intent, signed_data=signed))
    assert error.value.reason is Reason.INVALID_MESSAGE


def test_cursors_come_back_and_others_are_refused() -> None:
    cursor = encode_cursor("00" * 8, [0, 5, 2**40])
    assert decode_cursor(cursor, "00" * 8, 3) == [0, 5, 2**40]
    for wrong in (cursor[:-1], cursor + "A", "", "é", "=", encode_cursor("00" * 8, [2**62, 0, 0])):
        with pytest.raises(IntentError):
            decode_cursor(wrong, "00" * 8, 3)
    for store, partitions in (("01" * 8, 3), ("00" * 8, 4)):
        with pytest.raises(IntentError) as error:
            decode_cursor(cursor, store, partitions)
        assert error.value.reason is Reason.CURSOR_EXPIRED
        assert "Start over" in error.value.message


def test_page_tokens_are_bound_to_their_filters() -> None:
    query = ListQuery(principal="alice", status=Status.FAILED)
    token = encode_page_token(query, PageKey(START, "i-1"))
    assert decode_page_token(ListQuery(principal="alice", status=Status.FAILED, page_token=token)) == PageKey(
        START, "i-1"
    )
    assert decode_page_token(query) is None
    for other in (
        ListQuery(principal="bob", status=Status.FAILED, page_token=token),
        ListQuery(principal="alice", page_token=token),
        ListQuery(principal="alice", status=Status.FAILED, page_token=token[:20]),
        ListQuery(page_token="%%%"),
    ):
        with pytest.raises(IntentError) as error:
            decode_page_token(other)
        assert error.value.reason is Reason.PAGE_TOKEN_INVALID


def test_partitions_are_the_same_for_ever() -> None:
    assert [partition_of(name, 16) for name in ("i-1", "i-2", "abc")] == [8, 2, 2]
    assert {partition_of(f"i-{n}", 16) for n in range(500)} == set(range(16))


def test_batches_are_bounded() -> None:
    check_batch(1)
    check_batch(1000)
    for count in (0, 1001):
        with pytest.raises(IntentError) as error:
            check_batch(count)
        assert error.value.reason is Reason.BATCH_SIZE
