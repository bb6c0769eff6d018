"""The validator as a server: real sockets, a cache whose answers tests own."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from intents.cache.v1 import cache_service_pb2 as cache_pb
from intents.cache.v1 import cache_service_pb2_grpc as cache_rpc
from intents.v1 import types_pb2 as types_pb
from intents.validator.v1 import validator_service_pb2 as pb
from intents.validator.v1.validator_service_pb2_grpc import ValidatorServiceStub
from intents_client.values import rfc3339
from services.common.clock import SystemClock
from services.common.convert.intents import submission_to_proto
from services.common.domain.explanation import RuleStatus
from services.common.domain.intent import Nep413Payload
from services.common.errors import IntentError, Reason
from services.common.rpc.channel import open_channel
from services.common.rpc.clients.validator import GrpcValidator
from services.common.rpc.errors import from_rpc_error
from services.edge.adapters.coalesced import CoalescedValidator, weight
from services.validator.app import SERVICE, build
from services.validator.config import ValidatorSettings
from services.validator.registry import read_registry
from tests.harness.signing import Wallet, to_domain, to_proto
from tests.harness.standards import StandardWallet
from tests.harness.wait import eventually
from tests.unit.validator.bare.support import message


class OneKey(cache_rpc.CacheServiceServicer):
    """A contract where no nonce is used and one key is registered."""

    def __init__(self) -> None:
        self.known = ("nobody.near", "")

    async def GetChainViews(self, request: Any, context: Any) -> cache_pb.GetChainViewsResponse:
        answers = [
            cache_pb.ChainViewAnswer(
                truth=(view.has_public_key.account_id, view.has_public_key.public_key) == self.known,
                block_height=3,
            )
            for view in request.views
        ]
        return cache_pb.GetChainViewsResponse(answers=answers)


class House:
    """A validator with its cache."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.cache = OneKey()
        self.admin = ""

    async def start(self, **settings: Any) -> grpc.aio.Channel:
        server = grpc.aio.server()
        cache_rpc.add_CacheServiceServicer_to_server(self.cache, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self._stack.push_async_callback(server.stop, None)
        made = ValidatorSettings(
            **{"port": 0, "admin_port": 0, "cache_target": f"127.0.0.1:{port}", **settings}
        )
        app = await self._stack.enter_async_context(build(made, SystemClock()))
        await app.ready()
        assert app.rpc is not None and app.admin is not None
        self.admin = app.admin.address
        return await self._stack.enter_async_context(open_channel(app.rpc.address, settings=made))


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        yield House(stack)


async def test_the_port_over_grpc(house: House) -> None:
    validator = GrpcValidator(await house.start())
    bob = Wallet("bob", account_id="bob.near")
    bodies = [Wallet().sign_plain(), bob.sign_plain(), {}]
    submissions = [to_domain(body) for body in bodies]
    verdicts = await validator.validate(submissions)
    assert [verdict.valid for verdict in verdicts] == [True, False, False]
    assert verdicts[0].expires_at is not None
    left = verdicts[0].expires_at - datetime.now(UTC)
    assert timedelta(minutes=5) < left <= timedelta(minutes=10)
    assert verdicts[1].violations[0].reason is Reason.SIGNER_MISMATCH
    assert verdicts[2].violations[1].message == "Missing required field: user_account"
    house.cache.known = ("bob.near", bob.public_key)
    assert (await validator.validate(submissions))[1].valid


async def test_the_registry_in_force_is_told(house: House, tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    bound = {"min_amount": "1", "max_amount": str(2**128 - 1), "pairs": ["NEAR"], "paused": True}
    tokens = [
        {"id": "USDC", "symbol": "USDC", "decimals": 6, **bound},
        {"id": "NEAR", "symbol": "N", "decimals": 0},
    ]
    file.write_text(json.dumps({"tokens": tokens}))
    validator = GrpcValidator(await house.start(token_registry_file=file, token_registry_poll_ms=100))
    rules = await validator.rules()
    assert rules.tokens == read_registry(file.read_bytes()).tokens
    assert rules.registry == hashlib.sha256(file.read_bytes()).hexdigest()[:12]
    assert rules.unknown_tokens == ("nep141",)
    file.write_text("{}")
    async with aiohttp.ClientSession() as http:

        async def noted() -> bool:
            async with http.get(f"http://{house.admin}/readyz") as answer:
                return answer.status == 200 and "token_registry: the last good one" in await answer.text()

        await eventually(noted)
    assert (await validator.rules()).registry == rules.registry
    file.write_text(json.dumps({"tokens": tokens[1:]}))

    async def changed() -> bool:
        return [token.id for token in (await validator.rules()).tokens] == ["NEAR"]

    await eventually(changed)


async def test_full_and_explain_over_grpc(house: House) -> None:
    channel = await house.start()
    validator = GrpcValidator(channel)
    body = {**Wallet().sign_plain(), "id": "{", "input_amount": "-1"}
    (short,) = await validator.validate([to_domain(body)])
    assert [one.field for one in short.violations] == ["id"]
    assert short.explanation is None
    (verdict,) = await validator.validate([to_domain(body)], full=True, explain=True)
    assert [one.field for one in verdict.violations] == ["id", "input_amount"]
    assert verdict.failed_stage == "structure"
    assert verdict.explanation is not None and verdict.explanation.signed is not None
    failed = [one.rule for one in verdict.explanation.rules if one.status is RuleStatus.FAILED]
    assert failed == ["id-form", "input-amount-form"]
    wrong = to_proto(body)
    wrong.intent.deadline.seconds = -(2**62)
    request = pb.ValidateIntentsRequest(items=[pb.ValidateIntentsItem(submission=wrong)], explain=True)
    answer = await ValidatorServiceStub(channel).ValidateIntents(request)
    unread = answer.verdicts[0].explanation
    assert {one.status for one in unread.rules} == {types_pb.RULE_STATUS_NOT_REACHED}


async def test_rules_tell_a_client_what_to_sign(house: House) -> None:
    validator = GrpcValidator(await house.start(network="testnet", verifier_id="v.testnet"))
    rules = await validator.rules()
    assert (rules.network, rules.verifying_contract, rules.standards) == (
        "testnet",
        "v.testnet",
        ("nep413", "erc191", "tip191", "raw_ed25519", "webauthn", "ton_connect", "sep53"),
    )
    assert "USDC" in {token.id for token in rules.tokens}
    assert rules.max_lifetime == timedelta(days=1)
    body = Wallet().sign_plain(network="testnet", verifier="v.testnet")
    assert (await validator.validate([to_domain(body)]))[0].valid


async def test_a_cache_that_is_away_is_said_not_skipped(house: House) -> None:
    validator = GrpcValidator(await house.start(cache_target="127.0.0.1:1", cache_timeout_ms=300))
    (verdict,) = await validator.validate([to_domain(Wallet().sign_plain())])
    assert (verdict.valid, verdict.unavailable) == (False, "chain views")


async def test_p10_an_item_without_a_domain_form_is_refused_alone(house: House) -> None:
    channel = await house.start()
    wrong = to_proto(Wallet().sign_plain())
    wrong.intent.deadline.seconds = -(2**62)
    items = [pb.ValidateIntentsItem(submission=one) for one in (wrong, to_proto(Wallet().sign_plain()))]
    answer = await ValidatorServiceStub(channel).ValidateIntents(pb.ValidateIntentsRequest(items=items))
    assert [verdict.valid for verdict in answer.verdicts] == [False, True]
    assert (answer.verdicts[0].violations[0].field, answer.verdicts[0].violations[0].reason) == (
        "deadline",
        "INVALID_FIELD",
    )


@pytest.mark.parametrize("payload", [b"\xff" * 40, b"\x0a\xff", b"\x0a\x05hello"])
async def test_p10_bytes_that_are_no_message(house: House, payload: bytes) -> None:
    channel = await house.start()
    method = channel.unary_unary(f"/{SERVICE}/ValidateIntents", lambda raw: raw, lambda raw: raw)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await method(payload)
    assert from_rpc_error(caught.value).reason is Reason.MALFORMED_REQUEST
    assert await ValidatorServiceStub(channel).GetRules(pb.GetRulesRequest())


async def test_p10_empty_and_oversize_batches(house: House) -> None:
    validator = GrpcValidator(await house.start())
    one = to_domain({})
    for count in (0, 257):
        with pytest.raises(IntentError) as caught:
            await validator.validate([one] * count)
        assert caught.value.reason is Reason.BATCH_SIZE


async def test_health_answers_for_the_service(house: House) -> None:
    stub = health_pb2_grpc.HealthStub(await house.start())
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=SERVICE))
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_signed_message_on_its_own_is_judged(house: House) -> None:
    channel = await house.start()
    wallet = StandardWallet("tip191", "alone")
    house.cache.known = (wallet.account_id, wallet.public_key)
    until = rfc3339(datetime.now(UTC) + timedelta(minutes=5))
    items = []
    for kind in ("set_auth_by_predecessor_id", "plain"):
        text = json.dumps(message({"intent": kind, "enabled": True}, wallet=wallet, deadline=until))
        items.append(pb.ValidateIntentsItem(submission=to_proto({"signed_data": wallet.sign_text(text)})))
    assert not any(item.submission.HasField("intent") for item in items)
    answer = await ValidatorServiceStub(channel).ValidateIntents(pb.ValidateIntentsRequest(items=items))
    assert [verdict.valid for verdict in answer.verdicts] == [True, False]
    (refusal,) = answer.verdicts[1].violations
    assert (refusal.field, refusal.reason) == ("signed_data.payload.intents[0].intent", "INVALID_MESSAGE")


async def test_p11_callers_share_no_call_larger_than_the_validator_takes(house: House) -> None:
    """Else a few callers with large messages had everybody in their batch refused."""
    shared = CoalescedValidator(GrpcValidator(await house.start()))
    small = to_domain(Wallet().sign_plain())
    assert small.signed_data is not None and isinstance(small.signed_data.payload, Nep413Payload)
    payload = replace(small.signed_data.payload, message="\U0010ffff" * 15_000)
    large = replace(small, signed_data=replace(small.signed_data, payload=payload))
    assert 61_000 > weight(large) >= submission_to_proto(large).ByteSize() > 60_000
    answers = await asyncio.gather(*(shared.validate([one]) for one in [small, *[large] * 96, small]))
    assert [verdict.valid for (verdict,) in answers] == [True, *[False] * 96, True]
    await shared.validating.aclose()
