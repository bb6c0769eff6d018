"""Two principals with tokens of their own at one edge, and a stranger with none."""

from pathlib import Path

import aiohttp
import pytest

from intents_client import AlreadyExists, NotFound, Unauthenticated, connect, intent_to_json
from services.edge.auth import token_line
from tests.harness import shapes, watchers
from tests.harness.signing import Wallet, to_proto
from tests.harness.wait import eventually
from tests.harness.watchers import WAY

TOKENS = {name: f"{name}-0123456789abcdef" for name in ("alice", "bob")}


async def test_p09_a_principal_sees_and_acts_on_its_own_only(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("\n".join(token_line(name, token) for name, token in TOKENS.items()))
    wallet = Wallet()
    body = wallet.sign_plain(request_id="first")
    ids = [body["id"]]
    async with (
        shapes.embedded(tmp_path, tokens_file=file) as shape,
        connect(shape.target, token=TOKENS["alice"]) as alice,
        connect(shape.target, token=TOKENS["bob"]) as bob,
        connect(shape.target) as nobody,
        watchers.grpc_watch(alice, ids) as hers,
        watchers.grpc_watch(bob, ids) as his,
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKENS['bob']}"}) as session,
    ):
        await alice.submit(to_proto(body))
        await eventually(lambda: hers.ended(ids), 20)
        assert hers.told == {body["id"]: WAY}

        for call in (bob.get, bob.status, bob.cancel):
            with pytest.raises(NotFound):
                await call(body["id"])
        async with session.get(f"{shape.http}/api/intents/{body['id']}") as response:
            assert response.status == 404
        async with session.get(f"{shape.http}/api/intents") as response:
            assert (await response.json())["intents"] == []
        with pytest.raises(AlreadyExists) as refused:
            await bob.submit(to_proto(body))
        assert refused.value.reason == "ALREADY_EXISTS" and "completed" not in str(refused.value)
        async with watchers.grpc_watch(bob, ids) as late:
            own = Wallet().sign_plain(request_id="first")
            await bob.submit(to_proto(own))
            await bob.wait(own["id"], timeout=20)
            assert his.told == late.told == {}
        assert [intent_to_json(one)["intentId"] for one in (await bob.list_page()).intents] == [own["id"]]
        assert (await alice.statistics()).total == (await bob.statistics()).total == 1

        for stranger in (nobody.get(body["id"]), nobody.submit(to_proto(body)), nobody.list_page()):
            with pytest.raises(Unauthenticated):
                await stranger
