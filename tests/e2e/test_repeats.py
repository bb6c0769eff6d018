"""What is known already: repeats, and what only looks like one."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from intents_client import AlreadyExists, Client, FailedPrecondition, IntentsError, InvalidArgument, connect
from tests.harness import shapes
from tests.harness.shapes import Shape
from tests.harness.signing import Wallet, to_proto

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shape(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shape]:
    async with shapes.embedded(tmp_path_factory.mktemp("repeats")) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def client(shape: Shape) -> AsyncIterator[Client]:
    async with connect(shape.target) as opened:
        yield opened


async def post(shape: Shape, body: dict[str, Any]) -> tuple[int, str]:
    async with shape.session.post(f"{shape.http}/api/intents", json=body) as response:
        answer = await response.json(content_type=None)
        return response.status, answer.get("reason", answer.get("intentId"))


async def refused(client: Client, body: dict[str, Any]) -> IntentsError:
    with pytest.raises(IntentsError) as found:
        await client.submit(to_proto(body))
    return found.value


async def test_p08_a_repeat_gets_its_first_answer_before_and_after_its_end(
    shape: Shape, client: Client
) -> None:
    body = Wallet().sign_plain(request_id="first")
    first = await client.submit(to_proto(body))
    assert await client.submit(to_proto(body)) == first
    await client.wait(body["id"], timeout=20)
    assert await client.submit(to_proto(body)) == first
    assert await post(shape, body) == (202, body["id"])
    assert (await client.get(body["id"])).version == 4
    await shape.agree([body["id"]])


async def test_p08_a_request_id_names_one_content_also_when_it_first_came_with_a_repeat(
    shape: Shape, client: Client
) -> None:
    wallet, taken = Wallet(), f"r-{os.urandom(4).hex()}"
    body, other = wallet.sign_plain(request_id=f"{taken}-1"), wallet.sign_plain(request_id=taken)
    first = await client.submit(to_proto(body))
    await client.wait(body["id"], timeout=20)
    # the same content under a second request id, which is thereby taken
    assert await client.submit(to_proto(body | {"request_id": taken})) == first
    error = await refused(client, other)
    assert isinstance(error, AlreadyExists) and error.reason == "REQUEST_REUSED"
    assert await post(shape, other) == (409, "REQUEST_REUSED")
    # and known content under a request id that is another's
    own = wallet.sign_plain(request_id=f"{taken}-2")
    await client.submit(to_proto(own))
    assert (await refused(client, body | {"request_id": f"{taken}-2"})).reason == "REQUEST_REUSED"
    with pytest.raises(IntentsError):
        await client.get(other["id"])


@pytest.mark.parametrize("ended", [False, True])
async def test_p08_a_known_message_with_other_fields_beside_it_is_refused(
    shape: Shape, client: Client, ended: bool
) -> None:
    body = Wallet().sign_plain()
    await client.submit(to_proto(body))
    if ended:
        await client.wait(body["id"], timeout=20)
    for change in ({"input_amount": "7"}, {"max_slippage": None}, {"id": f"{body['id']}-2"}):
        error = await refused(client, body | change)
        assert isinstance(error, InvalidArgument) and error.reason == "FIELD_MISMATCH"
        assert error.violations[0].field == next(iter(change))
        assert await post(shape, body | change) == (400, "FIELD_MISMATCH")


async def test_p08_a_nonce_serves_one_message(client: Client) -> None:
    wallet, nonce = Wallet(), os.urandom(32)
    body, other = wallet.sign_plain(nonce=nonce), wallet.sign_plain(nonce=nonce)
    await client.submit(to_proto(body))
    held = await refused(client, other)
    assert isinstance(held, FailedPrecondition | InvalidArgument)
    assert held.reason in ("NONCE_HELD", "NONCE_USED")
    await client.wait(body["id"], timeout=20)
    used = await refused(client, wallet.sign_plain(nonce=nonce))
    assert (used.reason, used.violations[0].field) == ("NONCE_USED", "signed_data.payload.nonce")
    await client.submit(to_proto(Wallet().sign_plain(nonce=nonce)))


async def test_p10_a_page_token_cut_short_or_changed_is_refused(shape: Shape, client: Client) -> None:
    wallet = Wallet()
    for _ in range(2):
        await client.submit(to_proto(wallet.sign_plain()))
    token = (await client.list_page(page_size=1)).next_page_token
    assert (await client.list_page(page_size=1, page_token=token)).intents
    for bad in (token[:-3], token[:-1], token + "A", "B" + token[1:], token[::-1]):
        with pytest.raises(InvalidArgument) as error:
            await client.list_page(page_token=bad)
        assert error.value.reason == "PAGE_TOKEN_INVALID"
    with pytest.raises(InvalidArgument):
        await client.list_page(user_account=wallet.account_id, page_token=token)
