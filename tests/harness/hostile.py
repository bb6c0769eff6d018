"""A chain node that answers anything: a real HTTP server on loopback, bytes by hand, and ways to spoil an answer."""

import asyncio
import base64
import contextlib
import copy
import hashlib
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from services.common.encoding import b58encode

Json = dict[str, Any]
Answers = Callable[[Json], bytes]
"""Request -> the bytes sent for it, head and all; the connection is closed after them."""


@asynccontextmanager
async def serving(answers: Answers) -> AsyncIterator[str]:
    """URL of a node that answers each request with the bytes of `answers`."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.partition(b":")[2]) for line in head.splitlines() if line.lower().startswith(b"content-length")
            )  # fmt: skip
            said = answers(json.loads(await reader.readexactly(length)))
            for start in range(0, len(said), 1 << 16):
                writer.write(said[start : start + (1 << 16)])
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        await server.wait_closed()


def http(body: bytes, *, status: str = "200 OK", length: int | None = None, head: str = "") -> bytes:
    """An answer; `length` is what its head claims, `head` further lines of it."""
    claimed = len(body) if length is None else length
    lines = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {claimed}\r\n{head}\r\n"
    return lines.encode() + body


def of(request: Json, result: object) -> bytes:
    """The answer to `request` as a node gives it."""
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()


def refused(request: Json, cause: str, **more: object) -> bytes:
    """The same, an error."""
    error = {"name": "HANDLER_ERROR", "cause": {"name": cause, "info": {}}, "code": -32000, "message": "no"}
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error | more}).encode()


def receipt(name: str, *, then: tuple[str, ...] = (), status: object = None, gas: int = 10) -> Json:
    body = {"gas_burnt": gas, "tokens_burnt": str(gas * 100), "receipt_ids": list(then), "logs": ["said"]}
    ended = {"SuccessValue": ""} if status is None else status
    return {"id": name, "block_hash": "b1", "outcome": {**body, "status": ended}}


TRUE = {"SuccessValue": base64.b64encode(b"true").decode()}


def executed(tx_hash: str) -> Json:
    """A transaction that succeeded for good, by three receipts."""
    return {
        "final_execution_status": "FINAL",
        "status": TRUE,
        "transaction": {"hash": tx_hash},
        "transaction_outcome": receipt(tx_hash, then=("r1",), status={"SuccessReceiptId": "r1"}),
        "receipts_outcome": [
            receipt("r1", then=("r2", "r3"), status=TRUE), receipt("r2"), receipt("r3"),
        ],
    }  # fmt: skip


def honest(request: Json) -> object:
    """What a good node of a chain answers that knows no intent and executes what it is sent."""
    params = request["params"]
    match request["method"]:
        case "status":
            return {"chain_id": "localnet"}
        case "block":
            name = params.get("block_id", "b1")
            return {
                "header": {
                    "height": 50,
                    "hash": name,
                    "timestamp_nanosec": "1700000000000000000",
                    "prev_hash": "b0",
                }
            }
        case "EXPERIMENTAL_changes":
            height = params["block_id"]
            cause = {"type": "receipt_processing", "receipt_hash": f"r{height}"}
            change = {"account_id": "verifier.near", "key_base64": "aQ==", "value_base64": "aQ=="}
            listed = [{"cause": cause, "type": "data_update", "change": change}]
            return {"block_hash": f"b{height}", "changes": listed}
        case "EXPERIMENTAL_light_client_proof":
            event = {"standard": "intents", "version": "1.0.0", "event": "intent_verified"}
            logs = ["EVENT_JSON:" + json.dumps(event | {"data": [{"intent_id": "a"}]})]
            outcome = {"logs": logs, "receipt_ids": [], "gas_burnt": 1, "status": {"SuccessValue": ""}}
            return {"outcome_proof": {"id": params["receipt_id"], "block_hash": "b1", "outcome": outcome}}
        case "gas_price":
            return {"gas_price": "100"}
        case "send_tx":
            return {"final_execution_status": "NONE"}
        case "EXPERIMENTAL_tx_status":
            return executed(params["tx_hash"])
        case "query" if params["request_type"] == "view_access_key":
            return {"nonce": 5, "block_hash": BLOCK, "block_height": 50, "permission": "FullAccess"}
        case "query" if params["request_type"] == "view_account":
            return {"amount": "9" * 25, "locked": "0", "storage_usage": 182, "block_height": 50}
    values = {"current_salt": "01020304", "mt_balance_of": "7", "get_intent_status": None, "get_intent": None}
    value = values.get(params["method_name"], False)
    return {"result": list(json.dumps(value).encode()), "block_height": 50, "block_hash": "b1", "logs": []}


BLOCK = b58encode(hashlib.sha256(b"a block").digest())
ODD = (
    None, True, False, 0, 1, -1, 2**63, 2**64, 10**40, -(10**12), 1.5, 1e300, "", "0", "-1", "x" * 300, "true", [], {},
    [[]], [256], [-1], ["a"], {"": {}}, {"Failure": None}, {"SuccessValue": 3}, {"SuccessValue": "!"}, "FINAL", "\x00",
)  # fmt: skip
"""Values put where others belong."""


def spoilt(answer: Any, dice: random.Random) -> Any:
    """`answer` with one value of it taken away, doubled, exchanged for an odd one, or its list in another order."""
    answer = copy.deepcopy(answer)
    places = list(_places(answer))
    if not places:
        return dice.choice(ODD)
    holder, key = dice.choice(places)
    what = dice.randrange(4)
    if what == 0:
        del holder[key]
    elif what == 1 and isinstance(holder, list):
        holder.insert(dice.randrange(len(holder) + 1), holder[key])
    elif what == 2 and isinstance(holder[key], list):
        dice.shuffle(holder[key])
    else:
        holder[key] = copy.deepcopy(dice.choice(ODD))
    return answer


def any_bytes(request: Json, result: object, dice: random.Random) -> bytes:
    """The answer `result` as a broken node sends it: cut, huge, no JSON, of another id, nested without end."""
    body = of(request, result)
    match dice.randrange(12):
        case 0:
            return http(body[: dice.randrange(len(body))], length=len(body))
        case 1:
            return http(body[: dice.randrange(len(body))])
        case 2:
            return http(b"<html>502</html>", status="502 Bad Gateway")
        case 3:
            return http(json.dumps({"jsonrpc": "2.0", "id": 10**9, "result": result}).encode())
        case 4:
            return http(b"[" * 100_000 + b"]" * 100_000)
        case 5:
            return http(b" " * 100, length=10**13)
        case 6:
            return http(dice.randbytes(200))
        case 7:
            return b"\x00\x01 nonsense\r\n\r\n"
        case 8:
            return b""
        case 9:
            return http(b"", status="302 Found", head="Location: http://127.0.0.1:1/\r\n")
        case 10:
            return http(body, head="Content-Encoding: gzip\r\n")
        case _:
            return http(
                refused(request, dice.choice(("BRAND_NEW", "TIMEOUT_ERROR", "UNAVAILABLE_SHARD", "")))
            )


def _places(value: Any) -> Any:
    """Every (holder, key) within a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield value, key
        yield from _places(inner)
