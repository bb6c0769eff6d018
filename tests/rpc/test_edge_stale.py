"""What is remembered while store and cache's levels are away: only for who allows it, marked, over every transport."""

import dataclasses
import json
from pathlib import Path
from typing import Any, cast

from google.protobuf.duration_pb2 import Duration

from intents.v1 import intent_service_pb2 as pb
from intents_client.client import connect
from services.common.clock import SystemClock
from services.common.errors import Reason
from services.edge.auth import hash_token
from tests.unit.cache.fakes import new_cache
from tests.unit.edge.fakes import World
from tests.unit.edge.support import TOKENS, Running, bearer, message, refusal, running

NOW = Duration()
"""Nothing that is remembered is as young as this."""


async def over_http(edge: Running, who: str, query: str) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {TOKENS[who]}"}
    async with edge.http.get(f"/api/intents/abc/status?{query}", headers=headers) as response:
        return response.status, await response.json(content_type=None)


async def test_p07_what_is_remembered_is_answered_marked_and_to_its_owner_only(tmp_path: Path) -> None:
    clock = SystemClock()
    world = World(clock)
    tokens = tmp_path / "tokens.json"
    tokens.write_text("\n".join(json.dumps({name: hash_token(token)}) for name, token in TOKENS.items()))
    cache = new_cache(cast(Any, clock), cast(Any, world.store))
    ports = dataclasses.replace(world.ports, cache=cache)
    async with (
        running(ports=ports, tokens_file=tokens) as edge,
        connect(edge.target, token=TOKENS["alice"]) as client,
    ):
        alice, bob = bearer("alice"), bearer("bob")
        submit = pb.SubmitIntentRequest(submission=message("abc"))
        await edge.stub.SubmitIntent(submit, metadata=alice)
        ask = edge.stub.GetIntentStatus
        known = await ask(pb.GetIntentStatusRequest(intent_id="abc", allow_stale=True), metadata=alice)
        assert (known.version, known.stale) == (1, False)

        world.store.down = True
        strict = pb.GetIntentStatusRequest(intent_id="abc", max_age=NOW)
        loose = pb.GetIntentStatusRequest(intent_id="abc", max_age=NOW, allow_stale=True)
        newer = pb.GetIntentStatusRequest(intent_id="abc", min_version=2, allow_stale=True)
        for request in (strict, newer):
            assert (await refusal(ask(request, metadata=alice))).reason is Reason.DEPENDENCY_UNAVAILABLE
        assert (await refusal(ask(loose, metadata=bob))).reason is Reason.INTENT_NOT_FOUND
        kept = await ask(loose, metadata=alice)
        assert (kept.version, kept.level, kept.stale) == (1, "memory", True)

        assert (await over_http(edge, "alice", "maxAgeMs=0"))[0] == 503
        assert (await over_http(edge, "alice", "allowStale=true&minVersion=2"))[0] == 503
        assert (await over_http(edge, "alice", "maxAgeMs=0&allowStale=yes"))[0] == 400
        assert (await over_http(edge, "bob", "maxAgeMs=0&allowStale=true"))[0] == 404
        status, shown = await over_http(edge, "alice", "maxAgeMs=0&allowStale=true")
        assert (status, shown["version"], shown["level"], shown["stale"]) == (200, 1, "memory", True)
        assert shown["ageMs"] >= 0

        assert (await client.status("abc", max_age=NOW.ToTimedelta(), allow_stale=True)).stale

        world.store.down = False
        fresh = await ask(loose, metadata=alice)
        assert (fresh.level, fresh.stale) == ("store", False)
