"""Operators' calls of the processor: denied by default, with a token or from loopback alone."""

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from intents.processor.v1 import processor_service_pb2 as pb
from intents.processor.v1 import processor_service_pb2_grpc as rpc
from services.common.config import ServiceSettings, SettingError
from services.common.errors import IntentError, Reason
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.common.rpc.call import call
from services.common.rpc.server import serve
from services.processor import admission
from services.processor.admission import Admission, check_token, on_loopback
from services.processor.secret_values import secret_of

TOKEN = "operator-token-0123456789"
METHODS = pb.DESCRIPTOR.services_by_name["ProcessorService"].methods


class Anything(rpc.ProcessorServiceServicer):
    """Answers every method, and counts."""

    def __init__(self) -> None:
        self.answered: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        method = next((one for one in METHODS if one.name == name), None)
        if method is None:
            return super().__getattribute__(name)

        async def answer(request: Any, context: Any) -> Any:
            self.answered.append(name)
            return getattr(pb, method.output_type.name)()

        return answer


class Asked:
    """What admission reads of a call."""

    def __init__(self, peer: str, authorization: str | bytes | None = None) -> None:
        self._peer = peer
        self._given = () if authorization is None else (("authorization", authorization),)

    def peer(self) -> str:
        return self._peer

    def invocation_metadata(self) -> Any:
        return self._given


@asynccontextmanager
async def served(token: str | None) -> AsyncIterator[tuple[grpc.aio.Channel, Anything, Observe]]:
    observe = Observe(service="processor", registry=new_registry(process=False))
    servicer = Anything()
    async with serve(
        ServiceSettings(port=0),
        service_names=["intents.processor.v1.ProcessorService"],
        register=lambda server: rpc.add_ProcessorServiceServicer_to_server(servicer, server),
        interceptors=[Admission(token, observe)],
        observe=observe,
    ) as server:
        await server.ready()
        async with grpc.aio.insecure_channel(server.address) as channel:
            yield channel, servicer, observe


def method_of(channel: grpc.aio.Channel, name: str, authorization: str | None) -> Any:
    stub: Any = getattr(rpc.ProcessorServiceStub(channel), name)
    metadata = () if authorization is None else (("authorization", authorization),)

    async def asked(request: Any, *, timeout: float | None = None) -> Any:
        return await stub(request, timeout=timeout, metadata=metadata)

    return asked


@pytest.mark.parametrize("method", [one.name for one in METHODS])
async def test_p09_every_method_is_denied_without_the_token(method: str) -> None:
    request = getattr(pb, f"{method}Request")()
    wrong = [
        None,
        "Bearer ",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}x",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer " + "a" * 5000,
    ]
    async with served(TOKEN) as (channel, servicer, observe):
        for authorization in wrong:
            with pytest.raises(IntentError) as refused:
                await call(method_of(channel, method, authorization), request)
            assert refused.value.reason is Reason.UNAUTHENTICATED
            assert TOKEN not in refused.value.message
        assert servicer.answered == []
        assert observe.registry.get_sample_value("processor_admin_denied_total") == len(wrong)
        await call(method_of(channel, method, f"bearer  {TOKEN}"), request)
        assert servicer.answered == [method]


async def test_p09_without_a_token_loopback_is_admitted() -> None:
    async with served(None) as (channel, servicer, _):
        await call(method_of(channel, "GetWork", None), pb.GetWorkRequest())
        assert servicer.answered == ["GetWork"]


@pytest.mark.parametrize(
    "peer",
    ["ipv4:10.0.0.7:4711", "ipv6:%5B2001:db8::1%5D:4711", "ipv4:127.0.0.1.example:1", "ipv6:%5B::ffff:10.0.0.7%5D:1",
     "", "unknown", "ipv4:", "127.0.0.1:5"],
)  # fmt: skip
def test_p09_without_a_token_nobody_else_is_admitted(peer: str) -> None:
    gate = Admission(None, Observe(service="processor", registry=new_registry(process=False)))
    with pytest.raises(IntentError) as refused:
        gate.admit(Asked(peer, f"Bearer {TOKEN}"))  # type: ignore[arg-type]
    assert refused.value.reason is Reason.PERMISSION_DENIED


@pytest.mark.parametrize(
    "peer",
    [
        "ipv4:127.0.0.1:1",
        "ipv4:127.9.9.9:1",
        "ipv6:[::1]:1",
        "ipv6:%5B::1%5D:1",
        "ipv6:[::ffff:127.0.0.1]:1",
        "unix:",
    ],
)
def test_what_loopback_is(peer: str) -> None:
    assert on_loopback(peer)


def test_p09_with_a_token_loopback_is_not_enough() -> None:
    gate = Admission(TOKEN, Observe(service="processor", registry=new_registry(process=False)))
    for given in (None, b"Bearer " + TOKEN.encode()):
        with pytest.raises(IntentError):
            gate.admit(Asked("ipv4:127.0.0.1:1", given))  # type: ignore[arg-type]
    gate.admit(Asked("ipv4:10.0.0.7:1", f"Bearer {TOKEN}"))  # type: ignore[arg-type]


def test_tokens_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    class Spying:
        @staticmethod
        def compare_digest(one: bytes, other: bytes) -> bool:
            compared.append((one, other))
            return hmac.compare_digest(one, other)

    monkeypatch.setattr(admission, "hmac", Spying)
    gate = Admission(TOKEN, Observe(service="processor", registry=new_registry(process=False)))
    gate.admit(Asked("ipv4:10.0.0.7:1", f"Bearer {TOKEN}"))  # type: ignore[arg-type]
    assert compared == [(TOKEN.encode(), TOKEN.encode())]


def test_a_token_that_can_be_guessed_is_refused_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    assert check_token(secret_of("ADMIN_TOKEN", None, file)) == TOKEN
    for short in ("", "short"):
        with pytest.raises(SettingError) as refused:
            check_token(secret_of("ADMIN_TOKEN", short, None))
        assert "short" not in str(refused.value)
    assert check_token(secret_of("ADMIN_TOKEN", None, None)) is None
