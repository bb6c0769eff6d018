"""The table of faults: what each does, what it can be bounded by, and its parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MOST: Final = 1_000_000
"""The largest number taken anywhere in a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A parameter that is a whole number."""

    default: int
    least: int = 0

    def read(self, value: object) -> int:
        if type(value) is not int or not self.least <= value <= MOST:
            raise ValueError(f"a whole number from {self.least} to {MOST}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A parameter that is text, one of `among` if that is given."""

    default: str
    among: tuple[str, ...] = ()

    def read(self, value: object) -> str:
        if not isinstance(value, str) or len(value) > 1_000 or (self.among and value not in self.among):
            raise ValueError(f"one of {', '.join(self.among)}" if self.among else "a text")
        return value


BY_REQUEST: Final = ("node", "rpc", "signer", "receiver", "method", "intent")
BY_TRANSACTION: Final = ("signer", "receiver", "method", "intent")
BY_SOLVER: Final = ("receiver", "intent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """`bounds` are the filters that can be meant, `params` what else a rule of it may say."""

    says: str
    bounds: tuple[str, ...]
    params: Mapping[str, Number | Word] = field(default_factory=dict)


KINDS: Final[dict[str, Kind]] = {
    "slow": Kind(says="the answer comes `ms` late", bounds=BY_REQUEST, params={"ms": Number(default=1_000)}),
    "refuse": Kind(says="the connection is cut before anything is done", bounds=BY_REQUEST),
    "drop_answer": Kind(
        says="everything is done, the connection is cut before the answer", bounds=BY_REQUEST
    ),
    "timeout": Kind(
        says="TIMEOUT_ERROR after `ms`; a transaction sent was taken",
        bounds=BY_REQUEST,
        params={"ms": Number(default=0)},
    ),
    "error": Kind(
        says="the error `cause`, nothing is done; with `when: after` all is done",
        bounds=BY_REQUEST,
        params={
            "cause": Word(default="UNAVAILABLE_SHARD"),
            "when": Word(default="before", among=("before", "after")),
        },
    ),
    "garble": Kind(
        says="everything is done and the answer's bytes are spoilt",
        bounds=BY_REQUEST,
        params={
            "how": Word(
                default="cut", among=("cut", "text", "empty", "list", "other_id", "no_result", "huge")
            ),
            "status": Number(default=200, least=200),
        },
    ),
    "lag": Kind(
        says="the node is `blocks` behind the newest in all it says",
        bounds=("node", "rpc"),
        params={"blocks": Number(default=10, least=1)},
    ),
    "stuck": Kind(says="the node's newest block stays what it is now", bounds=("node", "rpc")),
    "stale_views": Kind(
        says="`query` by finality speaks of a state `blocks` older",
        bounds=("node", "receiver", "method", "intent"),
        params={"blocks": Number(default=10, least=1)},
    ),
    "forget_transaction": Kind(
        says="the node does not know a transaction that is in a block", bounds=BY_REQUEST
    ),
    "lose_transaction": Kind(
        says="a transaction is accepted and reaches no block; sent again it is new", bounds=BY_REQUEST
    ),
    "unchecked": Kind(
        says="send_tx with NONE and broadcast_tx_async answer well whatever the transaction, as nearcore does",
        bounds=BY_REQUEST,
    ),
    "rival": Kind(
        says="as a transaction is taken another account sends the same calls: a second relayer",
        bounds=BY_REQUEST,
        params={"by": Word(default="bob.near", among=("bob.near", "alice.near"))},
    ),
    "expire": Kind(
        says="a transaction's block hash is too old: Expired when sent, or (`at: block`) after it was accepted",
        bounds=BY_REQUEST,
        params={"at": Word(default="send", among=("send", "block"))},
    ),
    "nonce_jump": Kind(
        says="as a block takes the transaction, its key's nonce rises to it and `by` - 1 beyond: InvalidNonce",
        bounds=BY_TRANSACTION,
        params={"by": Number(default=1, least=1)},
    ),
    "fail_receipt": Kind(
        says="the receipt of that call fails on chain with `text`, nothing it did is kept",
        bounds=BY_TRANSACTION,
        params={"text": Word(default="fault asked for")},
    ),
    "out_of_gas": Kind(says="the receipt of that call burns all its gas and fails", bounds=BY_TRANSACTION),
    "hold_receipt": Kind(
        says="the receipt of that call waits `blocks` more blocks, as on a congested shard",
        bounds=BY_TRANSACTION,
        params={"blocks": Number(default=5, least=1)},
    ),
    "solver_fail": Kind(says="the Solver answers that it had no success", bounds=BY_SOLVER),
    "solver_low": Kind(says="the Solver gives 1 unit and calls it a success", bounds=BY_SOLVER),
    "reorg": Kind(
        says="before a block the newest `blocks` that are not final give way to others",
        bounds=(),
        params={
            "blocks": Number(default=1, least=1),
            "transactions": Word(default="later", among=("again", "later", "lost")),
        },
    ),
    "skip_heights": Kind(
        says="a block passes over `heights` heights: there is no block there, ever",
        bounds=(),
        params={"heights": Number(default=1, least=1)},
    ),
    "stall": Kind(says="no block is made, `count` says for how many block times", bounds=()),
}
"""Every fault there is."""
