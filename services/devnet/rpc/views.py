"""`query`, `block`, `status`, `gas_price`: what a node says of its chain."""

from datetime import UTC, datetime
from typing import Any, Final

from orjson import loads

from services.common.clock import Clock
from services.devnet.node.chain import Chain
from services.devnet.node.keys import b58encode, is_account_id, sha256
from services.devnet.node.records import Block
from services.devnet.node.rent import used
from services.devnet.node.runtime import Moment
from services.devnet.node.state import Overlay, Reading, get_json
from services.devnet.rpc.errors import handler_error, parse_error, unknown_block
from services.devnet.rpc.params import account, blob, invalid_account, named, text
from services.devnet.rpc.vantage import Vantage

PROTOCOL_VERSION: Final = 80
NO_CODE: Final = "1" * 32
Json = dict[str, Any]


def _iso(timestamp: int) -> str:
    seconds, nanoseconds = divmod(timestamp, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def chunk_header(block: Block, gas_price: int) -> Json:
    """NEAR's ChunkHeaderView of the one chunk a block has."""
    return {
        "chunk_hash": block.hash, "prev_block_hash": block.prev_hash, "shard_id": 0,
        "height_created": block.height, "height_included": block.height, "gas_used": block.gas_used,
        "gas_limit": 10**15, "balance_burnt": str(block.gas_used * gas_price),
    }  # fmt: skip


class Views:
    """Reads only; every answer names the block it speaks of."""

    def __init__(self, chain: Chain, clock: Clock) -> None:
        self._chain = chain
        self._clock = clock
        self._started = clock.monotonic()

    def reference(self, params: Json, where: Vantage, older: int = 0) -> Block:
        """The block that `finality`, `block_id` or `sync_checkpoint` names; one by finality is `older` blocks older."""
        if "finality" in params:
            head = self._chain.back(where.head.height - older, 0).height
            match params["finality"]:
                case "optimistic":
                    height = head
                case "near-final":
                    height = self._chain.back(head, max(self._chain.rules.finality_lag - 1, 0)).height
                case "final":
                    height = self._chain.final_from(head)
                case _:
                    raise parse_error("Failed parsing args: finality is optimistic, near-final or final")
            return self._chain.block_at(height) or where.head
        if "block_id" in params:
            return self._by_id(params["block_id"], where)
        if params.get("sync_checkpoint") in ("genesis", "earliest_available"):
            return self._chain.earliest
        raise parse_error("Failed parsing args: one of finality, block_id, sync_checkpoint is needed")

    def _by_id(self, block_id: object, where: Vantage) -> Block:
        if isinstance(block_id, str):
            found = self._chain.block_of(block_id)
        elif isinstance(block_id, int) and not isinstance(block_id, bool):
            found = self._chain.block_at(block_id)
            if found is None and 0 <= block_id < self._chain.earliest.height:
                gone = {"block_height": block_id, "block_hash": ""}
                raise handler_error("GARBAGE_COLLECTED_BLOCK", gone, f"block {block_id} is no longer kept")
        else:
            raise parse_error("Failed parsing args: block_id is a height or a hash")
        if found is None or found.height > where.head.height:
            raise unknown_block(block_id)
        return found

    def _state(self, block: Block) -> Reading:
        try:
            return self._chain.state.at(block.height)
        except KeyError:
            info = {"block_height": block.height, "block_hash": block.hash}
            raise handler_error(
                "GARBAGE_COLLECTED_BLOCK", info, f"the state at block {block.height} is no longer kept"
            ) from None

    async def query(self, params: object, where: Vantage) -> Json:
        given = named(params)
        kind = text(given, "request_type")
        readers = {
            "call_function": self._call_function,
            "view_access_key": self._access_key,
            "view_access_key_list": self._access_keys,
            "view_account": self._account,
        }
        if kind not in readers:
            raise parse_error(f"Failed parsing args: request_type is one of {', '.join(readers)}")
        stale = where.strikes("stale_views") if "finality" in given else None
        block = self.reference(given, where, 0 if stale is None else stale.number("blocks"))
        account_id = account(given, "account_id")
        if not is_account_id(account_id):
            raise invalid_account(account_id, block.height, block.hash)
        body = readers[kind](given, account_id, block, self._state(block))
        return {**body, "block_height": block.height, "block_hash": block.hash}

    def _known(self, account_id: str, block: Block, state: Reading) -> Json:
        found = get_json(state, f"a|{account_id}")
        if found is None:
            info = {
                "requested_account_id": account_id, "block_height": block.height, "block_hash": block.hash,
            }  # fmt: skip
            raise handler_error("UNKNOWN_ACCOUNT", info, f"account {account_id} does not exist while viewing")
        return found

    def _account(self, params: Json, account_id: str, block: Block, state: Reading) -> Json:
        found = self._known(account_id, block, state)
        code = found.get("code")
        return {
            "amount": found["amount"],
            "locked": "0",
            "code_hash": NO_CODE if code is None else b58encode(sha256(str(code).encode())),
            "storage_usage": used(found),
            "storage_paid_at": 0,
        }

    def _access_key(self, params: Json, account_id: str, block: Block, state: Reading) -> Json:
        public_key = text(params, "public_key")
        self._known(account_id, block, state)
        found = get_json(state, f"k|{account_id}|{public_key}")
        if found is None:
            info = {"public_key": public_key, "block_height": block.height, "block_hash": block.hash}
            raise handler_error(
                "UNKNOWN_ACCESS_KEY", info, f"access key {public_key[:100]} does not exist while viewing"
            )
        return {"nonce": found["nonce"], "permission": found["permission"]}

    def _access_keys(self, params: Json, account_id: str, block: Block, state: Reading) -> Json:
        self._known(account_id, block, state)
        keys = [
            {"public_key": key.rpartition("|")[2], "access_key": loads(value)}
            for key, value in state.scan(f"k|{account_id}|")
        ]
        return {"keys": keys}

    def _call_function(self, params: Json, account_id: str, block: Block, state: Reading) -> Json:
        method, args = text(params, "method_name"), blob(params.get("args_base64"), "args_base64")
        self._known(account_id, block, state)
        moment = Moment(height=block.height, hash=block.hash, timestamp=block.timestamp)
        try:
            ran = self._chain.runtime.view(Overlay(state), account_id, method, args, moment)
        except KeyError:
            info = {
                "contract_account_id": account_id, "block_height": block.height, "block_hash": block.hash,
            }  # fmt: skip
            raise handler_error(
                "NO_CONTRACT_CODE", info, f"{account_id} has no contract: CodeDoesNotExist"
            ) from None
        if isinstance(ran, str):
            info = {"vm_error": ran, "block_height": block.height, "block_hash": block.hash}
            raise handler_error("CONTRACT_EXECUTION_ERROR", info, ran)
        return {"result": list(ran.returned), "logs": ran.logs}

    async def block(self, params: object, where: Vantage) -> Json:
        if isinstance(params, list) and len(params) == 1:
            params = {"block_id": params[0]}
        block = self.reference(named(params), where)
        return self.shown(block)

    def shown(self, block: Block) -> Json:
        """NEAR's BlockView."""
        final = self._chain.block_at(self._chain.final_from(block.height)) or self._chain.earliest
        header = {
            "height": block.height,
            "prev_height": block.prev_height,
            "hash": block.hash,
            "prev_hash": block.prev_hash,
            "timestamp": block.timestamp,
            "timestamp_nanosec": str(block.timestamp),
            "epoch_id": NO_CODE,
            "next_epoch_id": NO_CODE,
            "gas_price": str(self._chain.rules.gas_price),
            "last_final_block": final.hash,
            "last_ds_final_block": final.hash,
            "latest_protocol_version": PROTOCOL_VERSION,
            "chunks_included": 1,
        }
        chunk = chunk_header(block, self._chain.rules.gas_price)
        return {"author": "node0", "header": header, "chunks": [chunk]}

    async def status(self, params: object, where: Vantage) -> Json:
        head, first = where.head, self._chain.earliest
        sync = {
            "latest_block_hash": head.hash,
            "latest_block_height": head.height,
            "latest_state_root": head.hash,
            "latest_block_time": _iso(head.timestamp),
            "syncing": where.behind > 0,
            "earliest_block_hash": first.hash,
            "earliest_block_height": first.height,
            "earliest_block_time": _iso(first.timestamp),
        }
        return {
            "version": {"version": "devnet", "build": "devnet"},
            "chain_id": self._chain.rules.chain_id,
            "protocol_version": PROTOCOL_VERSION,
            "latest_protocol_version": PROTOCOL_VERSION,
            "validators": [],
            "sync_info": sync,
            "uptime_sec": int(self._clock.monotonic() - self._started),
        }

    async def gas_price(self, params: object, where: Vantage) -> Json:
        if isinstance(params, list):
            params = {"block_id": params[0] if params else None}
        block_id = named(params).get("block_id")
        if block_id is not None:
            self._by_id(block_id, where)
        return {"gas_price": str(self._chain.rules.gas_price)}
