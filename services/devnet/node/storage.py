"""The state file: SQLite in WAL mode with synchronous=FULL, one transaction per block.

A block is published only after its commit returned, so whatever was answered survives kill -9 and a lost
power supply; SQLite's WAL checksums drop a torn tail. One thread owns the connection.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, TypeVar

from orjson import dumps, loads

from services.devnet.node.records import Block, TxRecord
from services.devnet.node.state import HISTORY, Delta

T = TypeVar("T")
RECENT: Final = 20_000
"""Transactions held in memory; older ones are read from the file."""
_PRUNE_EVERY: Final = 500
_SCHEMA: Final = """
create table if not exists meta (name text primary key, value text not null) without rowid;
create table if not exists state (key text primary key, value blob not null) without rowid;
create table if not exists blocks (height integer primary key, header blob not null, undo blob);
create table if not exists txs (hash text primary key, height integer not null, open integer not null,
  record blob not null) without rowid;
create index if not exists txs_by_height on txs (height);
"""


Change = tuple[Block, Delta, Delta]
"""A block, what it changes, and what takes that back."""


class StateFileError(Exception):
    """The state file cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What a state file holds: oldest block and transaction first."""

    entries: dict[str, bytes]
    undo: dict[int, Delta]
    blocks: list[Block]
    txs: list[TxRecord]


def _undo(raw: bytes) -> Delta:
    return {key: None if value is None else value.encode("latin-1") for key, value in loads(raw).items()}


def _block(raw: bytes) -> Block:
    body = loads(raw)
    return Block(**({"prev_height": body["height"] - 1} | body))


def _record(raw: bytes) -> TxRecord:
    body = loads(raw)
    return TxRecord(
        view=body["view"], height=body["height"], outcome=body["outcome"], outcomes=tuple(body["outcomes"]),
        heights=tuple(body["heights"]), receipts=tuple(body["receipts"]), open=body["open"],
    )  # fmt: skip


class Storage:
    """One state file. Opening locks it: a second node on it is refused."""

    def __init__(self, path: Path, keep_blocks: int) -> None:
        self._path = path
        self._keep = max(keep_blocks, HISTORY) + 1
        self._genesis = ""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="devnet-state")
        self._db: sqlite3.Connection

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def open(self, genesis: str) -> Loaded | None:
        """What the file holds, None if it is new. Raises StateFileError, also when made by another genesis."""
        try:
            return await self._run(lambda: self._open(genesis))
        except sqlite3.Error as error:
            if "locked" in str(error):
                raise StateFileError(
                    f"state file {self._path} is in use: end the node that has it, or name another STATE_FILE "
                    "(in one process: DATA_DIR)"
                ) from error
            raise StateFileError(f"state file {self._path}: {error}") from error

    def _open(self, genesis: str) -> Loaded | None:
        self._genesis = genesis
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self._path, isolation_level=None, timeout=5.0, check_same_thread=False)
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
            self._db.execute(f"pragma {pragma}").fetchall()
        self._db.executescript(_SCHEMA)
        known = self._db.execute("select value from meta where name = 'genesis'").fetchone()
        if known is None:
            self._db.execute("insert into meta values ('genesis', ?)", (genesis,))
            return None
        if known[0] != genesis:
            raise StateFileError(
                f"state file {self._path} was made from another genesis: give the same seed, accounts and "
                "chain id as then, or another STATE_FILE"
            )
        heads = self._db.execute("select header, undo from blocks order by height").fetchall()
        if not heads:
            return None
        blocks = [_block(row[0]) for row in heads]
        undo = {
            block.height: _undo(row[1])
            for block, row in zip(blocks[-HISTORY:], heads[-HISTORY:], strict=True)
            if row[1] is not None
        }
        rows = self._db.execute(
            "select record from txs where open > 0 or hash in "
            "(select hash from txs order by height desc limit ?) order by height",
            (RECENT,),
        )
        txs = [_record(row[0]) for row in rows]
        entries = dict(self._db.execute("select key, value from state").fetchall())
        return Loaded(entries=entries, undo=undo, blocks=blocks, txs=txs)

    async def reopen(self) -> Loaded:
        """Close the file and read it as a node that starts does. Raises StateFileError."""

        def again() -> Loaded | None:
            self._db.close()
            return self._open(self._genesis)

        loaded = await self._run(again)
        assert loaded is not None
        return loaded

    async def commit(
        self, made: Sequence[Change], txs: Sequence[TxRecord], fork: int | None = None,
        back: Delta | None = None, dropped: Iterable[str] = (),
    ) -> None:  # fmt: skip
        """Make blocks durable, all or none: returns after fsync. With `fork` those after it go first, `back` takes
        their changes back and `dropped` are the transactions that went with them."""
        await self._run(lambda: self._commit(made, txs, fork, back or {}, dropped))

    def _commit(
        self, made: Sequence[Change], txs: Sequence[TxRecord], fork: int | None, back: Delta,
        dropped: Iterable[str],
    ) -> None:  # fmt: skip
        self._db.execute("begin immediate")
        try:
            if fork is not None:
                self._db.execute("delete from blocks where height > ?", (fork,))
                self._db.executemany("delete from txs where hash = ?", [(one,) for one in dropped])
                self._change(back)
            for change in made:
                self._insert(*change)
            self._db.executemany(
                "insert or replace into txs values (?, ?, ?, ?)",
                [(tx.hash, tx.height, tx.open, dumps(asdict(tx))) for tx in txs],
            )
            self._db.execute("commit")
        except BaseException:
            self._db.execute("rollback")
            raise

    def _insert(self, block: Block, delta: Delta, undo: Delta) -> None:
        spelled = {key: None if value is None else value.decode("latin-1") for key, value in undo.items()}
        self._db.execute(
            "insert into blocks values (?, ?, ?)", (block.height, dumps(asdict(block)), dumps(spelled))
        )
        self._change(delta)
        if block.height % _PRUNE_EVERY == 0:
            self._db.execute("delete from blocks where height < ?", (block.height - self._keep,))
            self._db.execute("update blocks set undo = null where height < ?", (block.height - HISTORY,))

    def _change(self, delta: Delta) -> None:
        self._db.executemany(
            "insert or replace into state values (?, ?)",
            [(key, value) for key, value in delta.items() if value is not None],
        )
        self._db.executemany(
            "delete from state where key = ?", [(key,) for key, value in delta.items() if value is None]
        )

    async def find_tx(self, tx_hash: str) -> TxRecord | None:
        """A transaction of any age."""
        return await self._run(lambda: self._find(tx_hash))

    def _find(self, tx_hash: str) -> TxRecord | None:
        row = self._db.execute("select record from txs where hash = ?", (tx_hash,)).fetchone()
        return None if row is None else _record(row[0])

    async def close(self) -> None:
        def shut() -> None:
            if hasattr(self, "_db"):
                self._db.close()

        await self._run(shut)
        self._thread.shutdown()
