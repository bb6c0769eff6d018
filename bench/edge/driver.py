"""The submitters, in a process of their own: `python -m bench.edge.driver`.

Commands come as JSON lines on stdin, an answer goes out for each: {"sign": {name, count}} signs submissions and keeps
them under that name; {"run": {target, name, count, callers, batch}} sends the next `count` of them.
"""

import asyncio
import gc
import json
import os
import statistics
import sys
import time
from collections.abc import Coroutine, Iterator
from itertools import islice
from typing import Any, Final

import grpc
import uvloop

from intents.v1 import intent_service_pb2 as pb
from intents.v1.intent_service_pb2_grpc import IntentServiceStub
from intents_client.keys import Account
from intents_client.signing import SigningInfo, sign_plain

CONNECTIONS: Final = 8
ACCOUNTS: Final = 64
TIMEOUT: Final = 60.0

Next = Iterator[pb.Submission]


class Driver:
    """Keeps connections and signed submissions between commands."""

    def __init__(self) -> None:
        self._stubs: dict[str, list[IntentServiceStub]] = {}
        self._channels: list[grpc.aio.Channel] = []
        self._signed: dict[str, Next] = {}

    def sign(self, *, name: str, count: int) -> dict[str, Any]:
        """Real ed25519 signatures of as many accounts as there are submitters."""
        info = SigningInfo(network="localnet", verifying_contract="verifier.near")
        accounts = [Account.generate() for _ in range(ACCOUNTS)]
        self._signed[name] = iter([
            sign_plain(_fields(f"{name}-{number}"), info, accounts[number % ACCOUNTS])
            for number in range(count)
        ])  # fmt: skip
        # what was signed stays: the collector need not look at it again and again
        gc.collect()
        gc.freeze()
        return {"signed": count}

    async def run(
        self, *, target: str, name: str, count: int, callers: int, batch: int = 1
    ) -> dict[str, Any]:
        """Seconds for all, the median call's milliseconds, CPU seconds of this process, refusals."""
        stubs = await self._connect(target)
        left = iter([next(self._signed[name]) for _ in range(count)])
        times: list[float] = []
        refused: list[str] = []

        async def submitter(stub: IntentServiceStub) -> None:
            for submission in left:
                began = time.perf_counter()
                receipt = await stub.SubmitIntent(
                    pb.SubmitIntentRequest(submission=submission), timeout=TIMEOUT
                )
                times.append(time.perf_counter() - began)
                if receipt.receipt.intent_id != submission.intent.id:
                    refused.append("another intent's receipt")

        async def bulk_submitter(stub: IntentServiceStub) -> None:
            while submissions := list(islice(left, batch)):
                request = pb.SubmitIntentsRequest(submissions=submissions)
                began = time.perf_counter()
                answer = await stub.SubmitIntents(request, timeout=TIMEOUT)
                times.append(time.perf_counter() - began)
                refused.extend(one.error.message for one in answer.outcomes if not one.HasField("receipt"))

        work = submitter if batch == 1 else bulk_submitter
        cpu, began = time.process_time(), time.perf_counter()
        try:
            await asyncio.gather(*(work(stubs[number % len(stubs)]) for number in range(callers)))
        except grpc.aio.AioRpcError as error:
            return {"failed": f"{error.code().name}: {error.details()}"}
        seconds = time.perf_counter() - began
        if refused:
            return {"failed": f"{len(refused)} refused: {refused[0]}"}
        return {
            "seconds": seconds,
            "median_ms": statistics.median(times) * 1000,
            "cpu": time.process_time() - cpu,
        }

    async def _connect(self, target: str) -> list[IntentServiceStub]:
        if target not in self._stubs:
            channels = [
                grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)])
                for _ in range(CONNECTIONS)
            ]
            await asyncio.gather(*(channel.channel_ready() for channel in channels))
            self._channels += channels
            self._stubs[target] = [IntentServiceStub(channel) for channel in channels]
        return self._stubs[target]

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()


def _fields(intent_id: str) -> dict[str, Any]:
    return {
        "id": intent_id,
        "action": "swap",
        "input_token": "USDC",
        "input_amount": "100000000",
        "output_token": "NEAR",
        "min_output_amount": "95000000000000000000000000",
        "max_slippage": 0.5,
    }


def main() -> None:
    driver = Driver()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for line in sys.stdin:
            ((command, given),) = json.loads(line).items()
            found = driver.sign(**given) if command == "sign" else driver.run(**given)
            answer = runner.run(found) if isinstance(found, Coroutine) else found
            print(json.dumps(answer | {"pid": os.getpid()}), flush=True)
        runner.run(driver.close())


if __name__ == "__main__":
    main()
