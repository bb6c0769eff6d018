"""kill -9 of each process in turn while intents are in flight, then its restart."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from intents_client import Client, DeadlineExceeded, Unavailable, connect
from intents_client.plain import submission_from_body
from tests.harness import watchers
from tests.harness.shapes import Shape
from tests.harness.signing import Wallet
from tests.harness.wait import eventually
from tests.harness.watchers import WAY, Seen

pytestmark = pytest.mark.xdist_group("cluster")

VICTIMS = ("edge", "validator", "cache", "store", "notifier", "processor", "devnet")
INTENTS = 9
TIME = 45.0


async def accept(client: Client, body: dict[str, object]) -> None:
    """Hand it in until it is accepted: a call that was lost with a process is made again, as any client would."""
    submission = submission_from_body(body)
    async with asyncio.timeout(TIME):
        while True:
            try:
                receipt = await client.submit(submission)
            except (Unavailable, DeadlineExceeded):
                await asyncio.sleep(0.05)
                continue
            assert (receipt.intent_id, receipt.version) == (body["id"], 1)
            return


@pytest.mark.timeout(120)
@pytest.mark.parametrize("victim", VICTIMS)
async def test_p01_p02_p05_kill_9_loses_and_doubles_nothing(shape: Shape, victim: str) -> None:
    if watchers.missing_node():
        pytest.skip(f"missing: {watchers.missing_node()}")
    assert shape.cluster is not None
    process = shape.cluster.processes[victim]
    wallet = Wallet()
    bodies = [wallet.sign_plain() for _ in range(INTENTS)]
    ids = [body["id"] for body in bodies]
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(connect(shape.target, deadline=10))
        by_grpc = await stack.enter_async_context(watchers.grpc_watch(client, ids))
        by_sse = await stack.enter_async_context(
            watchers.sse_watch(shape.session, lambda: shape.http, ids[::4])
        )
        by_socket = await stack.enter_async_context(watchers.socket_watch(shape.http, ids))

        # a first part is on its way, some of it verified, when the process dies; the rest comes while it is gone
        await asyncio.gather(*(accept(client, body) for body in bodies[:5]))
        await eventually(lambda: any(told[-1][0] >= 2 for told in by_grpc.told.values()), TIME)
        assert by_grpc.missing(ids[:5]), "none is in flight any more"
        late = [asyncio.create_task(accept(client, body)) for body in bodies[5:]]
        await process.kill9()
        await process.start()
        await asyncio.gather(*late)

        await eventually(lambda: by_grpc.ended(ids) and by_sse.ended(ids[::4]), TIME)
        await eventually(lambda: by_socket.ended(ids), TIME)
    if victim == "edge":
        assert by_socket.connects >= 2 and by_sse.connects > len(ids[::4]), "nobody had to come back"
    await shape.agree(ids)
    complete(by_grpc, ids)
    complete(by_sse, ids[::4])
    assert by_socket.faults == [] and all(by_socket.told[one][-1] == (4, "completed") for one in ids)


def complete(seen: Seen, ids: list[str]) -> None:
    """No version missed, doubled or out of order; what came while it was away may stand in one message."""
    assert seen.faults == []
    for intent_id in ids:
        told = seen.told[intent_id]
        assert told[-1] == WAY[-1] and set(told) <= set(WAY), (seen.name, intent_id, told)
