"""The node over a real socket: every method, every level of waiting, every error's shape."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from services.common.clock import SystemClock
from services.devnet.app import Devnet, build
from services.devnet.config import Settings
from tests.harness.near import Sender, User, call_action, encoded, public, transfer_action, tx_hash, u64

MINUTE = 60 * 10**9


class Client:
    """JSON-RPC by hand: the answer's HTTP status and body."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url
        self.relayer = Sender.of("relayer.near")

    async def post(self, body: bytes) -> tuple[int, Any]:
        async with self.http.post(self.url, data=body) as answer:
            return answer.status, await answer.json(content_type=None)

    async def raw(self, method: str, params: object) -> Any:
        request = {"jsonrpc": "2.0", "id": "x", "method": method, "params": params}
        status, body = await self.post(json.dumps(request).encode())
        assert body["id"] == "x"
        return body | {"http": status}

    async def call(self, method: str, params: object) -> Any:
        answer = await self.raw(method, params)
        assert "result" in answer, answer
        return answer["result"]

    async def error(self, method: str, params: object) -> Any:
        answer = await self.raw(method, params)
        assert "error" in answer, answer
        assert set(answer["error"]) == {"name", "cause", "code", "data", "message"}
        return answer["error"]

    async def head(self) -> str:
        return str((await self.call("block", {"finality": "final"}))["header"]["hash"])

    async def invalid(self, signed: bytes) -> Any:
        """The InvalidTxError a transaction is refused with."""
        error = await self.error("send_tx", {"signed_tx_base64": encoded(signed)})
        assert (error["name"], error["cause"]["name"]) == ("HANDLER_ERROR", "INVALID_TRANSACTION")
        return error["data"]["TxExecutionError"]["InvalidTxError"]

    async def verify(self, intent_id: str) -> bytes:
        """A signed transaction that verifies a fresh intent."""
        user = User.fresh(intent_id)
        intent = user.intent(intent_id)
        signed = user.nep413(user.message(intent, time.time_ns() + MINUTE))
        action = call_action("verify_signed_intent", {"intent": intent, "signed": signed})
        return self.relayer.sign("verifier.near", [action], await self.head())


async def serving(**changes: Any) -> AsyncIterator[tuple[Client, Devnet]]:
    settings = Settings(**({"state_file": None, "block_time_ms": 20} | changes))
    async with build(settings, SystemClock()) as devnet, aiohttp.ClientSession() as http:
        port = await devnet.serve_http("127.0.0.1", 0)
        yield Client(http, f"http://127.0.0.1:{port}/"), devnet


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async for made, _ in serving():
        yield made


@pytest.fixture
async def still() -> AsyncIterator[Client]:
    """Blocks by hand, short time-outs, 5 blocks of validity."""
    async for made, _ in serving(
        block_time_ms=0, rpc_timeout_ms=50, tx_validity_blocks=5, max_body_bytes=4096
    ):
        yield made


LEVELS = ["NONE", "INCLUDED", "EXECUTED_OPTIMISTIC", "INCLUDED_FINAL", "EXECUTED", "FINAL"]


async def test_each_level_is_answered_in_its_block(still: Client) -> None:
    signed = await still.verify("level-1")
    asked = {"tx_hash": tx_hash(signed), "sender_account_id": "relayer.near"}
    sent = await still.call("send_tx", {"signed_tx_base64": encoded(signed), "wait_until": "NONE"})
    assert sent == {"final_execution_status": "NONE"}
    reached: list[set[str]] = []
    for _ in range(6):
        answers = [await still.raw("tx", {**asked, "wait_until": level}) for level in LEVELS]
        reached.append({level for level, answer in zip(LEVELS, answers, strict=True) if "result" in answer})
        waiting = [answer for answer in answers if "error" in answer]
        assert all(answer["error"]["cause"]["name"] == "TIMEOUT_ERROR" for answer in waiting)
        assert all(answer["http"] == 408 for answer in waiting)
        await still.call("devnet_advance", {"blocks": 1})
    assert reached[0] == {"NONE"}
    assert reached[1] == {"NONE", "INCLUDED"}
    assert reached[2] == {"NONE", "INCLUDED", "EXECUTED_OPTIMISTIC"}
    assert reached[3] == {*LEVELS} - {"FINAL"}
    assert reached[4] == {*LEVELS} - {"FINAL"}, "the refund's block is not final"
    assert reached[5] == {*LEVELS}


@pytest.mark.parametrize("level", LEVELS)
async def test_send_tx_waits_for_the_level(client: Client, level: str) -> None:
    signed = await client.verify(f"wait-{level}")
    answer = await client.call("send_tx", {"signed_tx_base64": encoded(signed), "wait_until": level})
    order = {"INCLUDED": LEVELS[1:], "EXECUTED_OPTIMISTIC": LEVELS[2:], "INCLUDED_FINAL": LEVELS[3:]}
    assert answer["final_execution_status"] in order.get(level, [level, "FINAL"])
    if level in ("EXECUTED_OPTIMISTIC", "EXECUTED", "FINAL"):
        assert answer["status"] == {"SuccessValue": base64.b64encode(b"true").decode()}


async def test_outcomes_have_nears_shape(client: Client) -> None:
    signed = await client.verify("shape-1")
    await client.call("broadcast_tx_commit", [encoded(signed)])
    intent = User.fresh("shape-1").intent("shape-1")
    solve = client.relayer.sign(
        "verifier.near",
        [call_action("verify_and_solve", {"intent": intent, "solver_account": "solver.near"})],
        await client.head(),
    )
    wanted = await client.call("broadcast_tx_async", [encoded(solve)])
    assert wanted == tx_hash(solve)
    asked = {"tx_hash": wanted, "sender_account_id": "relayer.near", "wait_until": "FINAL"}
    result = await client.call("EXPERIMENTAL_tx_status", asked)
    assert [receipt["receiver_id"] for receipt in result["receipts"]] == [
        "verifier.near", "solver.near", "verifier.near", "relayer.near", "relayer.near", "relayer.near",
    ]  # fmt: skip
    heights = []
    for outcome in (result["transaction_outcome"], *result["receipts_outcome"]):
        body = outcome["outcome"]
        if body["executor_id"] == "relayer.near" and outcome["id"] != wanted:
            assert (body["tokens_burnt"], body["status"]) == ("0", {"SuccessValue": ""}), "a refund"
            continue
        assert set(body) == {
            "logs", "receipt_ids", "gas_burnt", "tokens_burnt", "executor_id", "status", "metadata",
        }  # fmt: skip
        assert 10**11 < body["gas_burnt"] < 10**13
        assert body["tokens_burnt"] == str(body["gas_burnt"] * 100_000_000)
        block = await client.call("block", {"block_id": outcome["block_hash"]})
        heights.append(block["header"]["height"])
    assert heights == list(range(heights[0], heights[0] + 4)), "one block a hop"
    events = [
        json.loads(log[11:])["event"] for out in result["receipts_outcome"] for log in out["outcome"]["logs"]
    ]
    assert events == ["intent_executing", "intent_solved", "mt_mint", "intent_completed"]
    assert "receipts" not in await client.call("tx", [wanted, "relayer.near"])


async def test_final_is_behind_optimistic(client: Client) -> None:
    signed = await client.verify("lag-1")
    await client.call("send_tx", {"signed_tx_base64": encoded(signed)})
    args = base64.b64encode(b'{"intent_id":"lag-1"}').decode()
    params = {
        "request_type": "call_function", "account_id": "verifier.near", "method_name": "get_intent_status",
        "args_base64": args,
    }  # fmt: skip
    now = await client.call("query", {**params, "finality": "optimistic"})
    assert bytes(now["result"]) == b'"verified"'
    past = await client.call("query", {**params, "block_id": 0})
    assert bytes(past["result"]) == b"null"
    await client.call("send_tx", {"signed_tx_base64": encoded(signed), "wait_until": "FINAL"})
    final = await client.call("query", {**params, "finality": "final"})
    assert bytes(final["result"]) == b'"verified"'


async def test_state_before_a_change_is_read_at_final(still: Client) -> None:
    signed = await still.verify("old-1")
    await still.call("send_tx", {"signed_tx_base64": encoded(signed), "wait_until": "NONE"})
    await still.call("devnet_advance", {"blocks": 2})
    key = {
        "request_type": "view_access_key", "account_id": "relayer.near",
        "public_key": still.relayer.pair.public_key,
    }  # fmt: skip
    assert (await still.call("query", {**key, "finality": "optimistic"}))["nonce"] == 1
    final = await still.call("query", {**key, "finality": "final"})
    assert (final["nonce"], final["permission"], final["block_height"]) == (0, "FullAccess", 0)
    near = await still.call("query", {**key, "finality": "near-final"})
    assert (near["nonce"], near["block_height"]) == (1, 1)


async def test_the_same_bytes_again_are_answered_not_run(client: Client) -> None:
    signed = await client.verify("same-1")
    params = {"signed_tx_base64": encoded(signed), "wait_until": "FINAL"}
    answers = await asyncio.gather(*(client.call("send_tx", params) for _ in range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert await client.call("broadcast_tx_async", [encoded(signed)]) == tx_hash(signed)
    counts = await client.call("devnet_counts", {})
    assert counts["methods"]["verify_signed_intent"] == 1
    assert counts["intents"]["same-1"] == {"verify_signed_intent": 1}


async def test_nonces_strictly_increase_and_are_bounded(still: Client) -> None:
    first = await still.verify("n-1")
    await still.call("send_tx", {"signed_tx_base64": encoded(first), "wait_until": "NONE"})
    await still.call("devnet_advance", {})
    head = await still.head()
    again = still.relayer.sign("bob.near", [transfer_action(1)], head, nonce=1)
    assert await still.invalid(again) == {"InvalidNonce": {"tx_nonce": 1, "ak_nonce": 1}}
    huge = still.relayer.sign("bob.near", [transfer_action(1)], head, nonce=10**9)
    assert await still.invalid(huge) == {"NonceTooLarge": {"tx_nonce": 10**9, "upper_bound": 2_000_000}}


async def test_two_transactions_with_one_nonce_one_is_refused(still: Client) -> None:
    head = await still.head()
    pair = [
        still.relayer.sign(name, [transfer_action(1)], head, nonce=7) for name in ("bob.near", "alice.near")
    ]
    for signed in pair:
        await still.call("send_tx", {"signed_tx_base64": encoded(signed), "wait_until": "NONE"})
    await still.call("devnet_advance", {"blocks": 5})
    answers = [await still.raw("tx", [tx_hash(signed), "relayer.near"]) for signed in pair]
    (refused,) = [answer["error"] for answer in answers if "error" in answer]
    assert refused["data"]["TxExecutionError"]["InvalidTxError"] == {
        "InvalidNonce": {"tx_nonce": 7, "ak_nonce": 7}
    }
    assert sum("result" in answer for answer in answers) == 1


async def test_a_block_hash_ages_out(still: Client) -> None:
    signed = await still.verify("aged-1")
    await still.call("devnet_advance", {"blocks": 6})
    assert await still.invalid(signed) == "Expired"
    foreign = still.relayer.sign("bob.near", [transfer_action(1)], "1" * 32)
    assert await still.invalid(foreign) == "Expired"


async def test_bad_transactions_are_named(still: Client) -> None:
    head = await still.head()
    good = still.relayer.sign("bob.near", [transfer_action(1)], head)
    assert await still.invalid(good[:-1] + bytes([good[-1] ^ 1])) == "InvalidSignature"
    other = Sender("relayer.near", Sender.of("alice.near").pair)
    missing = await still.invalid(other.sign("bob.near", [transfer_action(1)], head))
    assert missing["InvalidAccessKeyError"]["AccessKeyNotFound"]["account_id"] == "relayer.near"
    nobody = Sender("nobody.near", other.pair)
    assert "SignerDoesNotExist" in await still.invalid(nobody.sign("bob.near", [transfer_action(1)], head))
    rich = await still.invalid(still.relayer.sign("bob.near", [transfer_action(10**31)], head))
    assert rich["NotEnoughBalance"]["signer_id"] == "relayer.near"
    gas = await still.invalid(still.relayer.sign("bob.near", [call_action("x", {}, gas=2 * 10**15)], head))
    assert "TotalPrepaidGasExceeded" in gas["ActionsValidation"]
    stake = await still.invalid(still.relayer.sign("bob.near", [b"\x08"], head))
    assert stake["ActionsValidation"]["UnsupportedProtocolFeature"]["protocol_feature"] == "Delegate"
    assert await still.invalid(b"\1" + good) == "InvalidTransactionVersion"
    assert "InvalidReceiverId" in await still.invalid(still.relayer.sign("Bob!", [transfer_action(1)], head))


async def test_transfers_accounts_and_keys(client: Client) -> None:
    head, implicit = await client.head(), User.fresh("implicit").account_id
    key = public(Sender.of("sub").pair.public_key)
    sub = client.relayer.sign(
        "sub.relayer.near", [b"\0", transfer_action(10**24), b"\x05" + key + u64(0) + b"\1"], head
    )
    paid = client.relayer.sign(implicit, [transfer_action(5)], head)
    for signed in (sub, paid):
        done = await client.call("send_tx", {"signed_tx_base64": encoded(signed), "wait_until": "FINAL"})
        assert "SuccessValue" in done["status"], done["status"]
    view = {"finality": "final", "request_type": "view_account"}
    assert (await client.call("query", {**view, "account_id": implicit}))["amount"] == "5"
    assert (await client.call("query", {**view, "account_id": "sub.relayer.near"}))["amount"] == str(10**24)
    keys = await client.call(
        "query",
        {"finality": "final", "request_type": "view_access_key_list", "account_id": "sub.relayer.near"},
    )
    assert [entry["access_key"]["permission"] for entry in keys["keys"]] == ["FullAccess"]
    assert keys["keys"][0]["access_key"]["nonce"] % 1_000_000 == 0
    grandchild = Sender("sub.relayer.near", Sender.of("sub").pair, keys["keys"][0]["access_key"]["nonce"])
    gone = grandchild.sign("sub.relayer.near", [b"\x06" + key], head)
    await client.call("send_tx", {"signed_tx_base64": encoded(gone), "wait_until": "FINAL"})
    late = grandchild.sign("bob.near", [transfer_action(1)], head)
    assert "AccessKeyNotFound" in (await client.invalid(late))["InvalidAccessKeyError"]


async def test_failures_on_chain_and_the_deposit_back(client: Client) -> None:
    cases: dict[str, tuple[str, bytes, str]] = {
        "method": ("verifier.near", call_action("nothing", {}, deposit=10**24), "MethodNotFound"),
        "code": ("bob.near", call_action("nothing", {}), "CodeDoesNotExist"),
        "account": ("none.near", transfer_action(10**24), "AccountDoesNotExist"),
        "panic": ("verifier.near", call_action("pause", {}), "Smart contract panicked"),
        "gas": ("verifier.near", call_action("pause", {}, gas=10**9), "Exceeded the prepaid gas"),
        "create": ("x.bob.near", b"\0", "CreateAccountNotAllowed"),
    }
    before = await _amount(client)
    spent = 0
    for receiver, action, expected in cases.values():
        signed = client.relayer.sign(receiver, [action], await client.head())
        done = await client.call("send_tx", {"signed_tx_base64": encoded(signed), "wait_until": "EXECUTED"})
        assert expected in json.dumps(done["status"]["Failure"])
        final = await client.call("send_tx", {"signed_tx_base64": encoded(signed), "wait_until": "FINAL"})
        for outcome in (final["transaction_outcome"], *final["receipts_outcome"][:1]):
            spent += int(outcome["outcome"]["tokens_burnt"])
    assert before - await _amount(client) == spent, "deposits came back, gas was paid"


async def _amount(client: Client) -> int:
    view = {"finality": "optimistic", "request_type": "view_account", "account_id": "relayer.near"}
    return int((await client.call("query", view))["amount"])


VIEW = {"request_type": "call_function", "finality": "final", "args_base64": "e30="}
ERRORS: dict[str, tuple[str, object, str, int]] = {
    "UNKNOWN_ACCOUNT": ("query", VIEW | {"account_id": "no.near", "method_name": "x"}, "HANDLER_ERROR", -32000),
    "INVALID_ACCOUNT": ("query", VIEW | {"account_id": "No!", "method_name": "x"}, "HANDLER_ERROR", -32000),
    "NO_CONTRACT_CODE": ("query", VIEW | {"account_id": "bob.near", "method_name": "x"}, "HANDLER_ERROR", -32000),
    "CONTRACT_EXECUTION_ERROR": (
        "query", VIEW | {"account_id": "verifier.near", "method_name": "x"}, "HANDLER_ERROR", -32000,
    ),
    "UNKNOWN_BLOCK": ("block", {"block_id": 10**9}, "HANDLER_ERROR", -32000),
    "UNKNOWN_TRANSACTION": ("tx", ["1" * 32, "bob.near"], "HANDLER_ERROR", -32000),
    "UNKNOWN_ACCESS_KEY": (
        "query",
        {"request_type": "view_access_key", "finality": "final", "account_id": "bob.near", "public_key": "x"},
        "HANDLER_ERROR", -32000,
    ),
    "METHOD_NOT_FOUND": ("nothing", {}, "REQUEST_VALIDATION_ERROR", -32601),
    "PARSE_ERROR": ("send_tx", {"signed_tx_base64": "!"}, "REQUEST_VALIDATION_ERROR", -32700),
}  # fmt: skip


@pytest.mark.parametrize("cause", list(ERRORS))
async def test_errors_have_nears_shape(still: Client, cause: str) -> None:
    method, params, name, code = ERRORS[cause]
    error = await still.error(method, params)
    assert (error["name"], error["cause"]["name"], error["code"]) == (name, cause, code)


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("query", None), ("query", []), ("query", {"request_type": "view_state", "finality": "final"}),
        ("query", {"request_type": "view_account"}), ("query", {"request_type": 1}),
        ("query", {"request_type": "view_account", "finality": "soon", "account_id": "bob.near"}),
        ("query", VIEW | {"account_id": "verifier.near", "method_name": "x", "args_base64": "%"}),
        ("block", {"block_id": 1.5}), ("block", "x"), ("tx", {"tx_hash": "0OIl"}), ("tx", [1, 2]),
        ("send_tx", {}), ("send_tx", {"signed_tx_base64": "AAAA"}),
        ("send_tx", {"signed_tx_base64": "AAAA", "wait_until": "SOON"}), ("broadcast_tx_async", [[]]),
        ("gas_price", 7), ("devnet_faults", {"nothing": 1}), ("devnet_faults", {"drop_next": -1}),
        ("devnet_advance", {"blocks": 0}),
    ],
)  # fmt: skip
async def test_bad_parameters_are_a_parse_error(still: Client, method: str, params: object) -> None:
    error = await still.error(method, params)
    assert (error["name"], error["cause"]["name"]) == ("REQUEST_VALIDATION_ERROR", "PARSE_ERROR")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"\xff\xfe", 400), (b"[]", 400), (b"{}", 400), (b"[" * 3000, 400), (b"null", 400),
        (b'{"jsonrpc":"2.0","id":{},"method":"status"}', 400), (b'{"jsonrpc":"2.0","id":1,"method":5}', 400),
        (b'"\\ud800"', 400), (b"x" * 5000, 413),
    ],
)  # fmt: skip
async def test_any_bytes_get_a_typed_error(still: Client, body: bytes, status: int) -> None:
    answered, content = await still.post(body)
    assert answered == status
    assert content["error"]["cause"]["name"] == "PARSE_ERROR"
    assert (await still.call("status", []))["chain_id"] == "localnet"


async def test_status_block_and_gas_price(client: Client) -> None:
    status = await client.call("status", [])
    assert (status["chain_id"], status["sync_info"]["syncing"]) == ("localnet", False)
    assert (await client.call("gas_price", [None]))["gas_price"] == "100000000"
    block = await client.call("block", {"finality": "optimistic"})
    before = await client.call("block", {"block_id": block["header"]["prev_hash"]})
    assert before["header"]["height"] == block["header"]["height"] - 1
    assert int(block["header"]["timestamp_nanosec"]) == block["header"]["timestamp"]


async def test_control_can_be_off() -> None:
    async for client, _ in serving(devnet_control=False):
        assert (await client.error("devnet_counts", {}))["cause"]["name"] == "METHOD_NOT_FOUND"
