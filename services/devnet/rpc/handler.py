"""One entry for every method, the same for the HTTP server and for a caller in this process."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from services.common.clock import Clock
from services.common.observe import logs
from services.devnet.actors import Actors
from services.devnet.faults import Faults
from services.devnet.node.chain import Chain
from services.devnet.rpc.acts import Acts
from services.devnet.rpc.control import Control
from services.devnet.rpc.errors import RpcError, internal_error, method_not_found, of_cause, timeout_error
from services.devnet.rpc.following import Following
from services.devnet.rpc.transactions import Transactions
from services.devnet.rpc.vantage import SENDS, Vantage
from services.devnet.rpc.views import Views

logger = logging.getLogger(__name__)
Method = Callable[[object, Vantage], Awaitable[Any]]
Extra = Callable[[object], Awaitable[Any]]


class GarbledAnswer(Exception):
    """By order of a fault the answer's bytes are to be spoilt; `how` as `faults.rules` lists them."""

    def __init__(self, result: object, how: str, status: int) -> None:
        super().__init__(f"answer spoilt ({how}), as a fault asked")
        self.result = result
        self.how = how
        self.status = status


class Rpc:
    """Answers NEAR JSON-RPC methods."""

    def __init__(
        self, chain: Chain, faults: Faults, actors: Actors, clock: Clock, *, timeout: float, control: bool,
        seen: Callable[[str, str], None] = lambda method, result: None,
    ) -> None:  # fmt: skip
        views, transactions = Views(chain, clock), Transactions(chain, actors, clock, timeout)
        following = Following(chain, views, timeout)
        self._whole_block = following.whole_at
        self._chain = chain
        self._faults = faults
        self._clock = clock
        self._seen = seen
        self._methods: dict[str, Method] = {
            "query": views.query,
            "block": views.block,
            "status": views.status,
            "gas_price": views.gas_price,
            "send_tx": transactions.send_tx,
            "chunk": following.chunk,
            "EXPERIMENTAL_receipt": following.receipt,
            "EXPERIMENTAL_light_client_proof": following.light_client_proof,
            "EXPERIMENTAL_changes": following.changes,
            "EXPERIMENTAL_changes_in_block": following.changes_in_block,
            "tx": transactions.tx,
            "EXPERIMENTAL_tx_status": transactions.tx_status,
            "broadcast_tx_async": transactions.broadcast_tx_async,
            "broadcast_tx_commit": transactions.broadcast_tx_commit,
        }
        self._control: dict[str, Extra] = {}
        if control:
            self._control = Control(chain, faults).methods | Acts(actors).methods

    async def handle(self, method: str, params: object, node: str = "") -> Any:
        """The `result` of one request at `node` (the plain one has no name).

        Raises RpcError, and ConnectionError or GarbledAnswer where a fault asked for it.
        """
        extra = self._control.get(method)
        if extra is not None:
            return await self._answer(method, lambda: extra(params))
        run = self._methods.get(method)
        if run is None:
            self._seen("unknown", "METHOD_NOT_FOUND")
            raise method_not_found(method)
        return await self._serve(method, run, params, node)

    async def block(self, height: int, finality: str, node: str = "") -> Any:
        """What `GET /v0/block/<height>` answers; faults know it as the RPC method `v0/block`."""
        return await self._serve(
            "v0/block", self._whole_block, {"height": height, "finality": finality}, node
        )

    def newest(self, finality: str, node: str = "") -> int:
        """The height `GET /v0/last_block/<finality>` leads to."""
        head = Vantage(self._chain, self._faults, node, "v0/last_block", None).head.height
        return head if finality == "optimistic" else self._chain.final_from(head)

    async def _serve(self, method: str, run: Method, params: object, node: str) -> Any:
        where = Vantage(self._chain, self._faults, node, method, params)
        if not self._faults.any:
            return await self._answer(method, lambda: run(params, where))
        return await self._faulty(method, run, params, where)

    async def _faulty(self, method: str, run: Method, params: object, where: Vantage) -> Any:
        if where.strikes("refuse") is not None:
            raise ConnectionRefusedError("refused, as a fault asked")
        early = where.strikes("error", when="before")
        if early is not None:
            raise self._told(method, of_cause(early.text("cause")))
        if method not in SENDS and (slow := where.strikes("timeout")) is not None:
            await self._clock.sleep(slow.number("ms") / 1000)
            raise self._told(method, timeout_error())
        # Decided before the work, so that which request is hit does not hang on which is done first.
        drop, late = where.strikes("drop_answer"), where.strikes("slow")
        error, garbled = where.strikes("error", when="after"), where.strikes("garble")
        try:
            result = await self._answer(method, lambda: run(params, where))
        finally:
            if late is not None:
                await self._clock.sleep(late.number("ms") / 1000)
            if drop is not None:
                raise ConnectionResetError("answer dropped, as a fault asked")
        if error is not None:
            raise of_cause(error.text("cause"))
        if garbled is not None:
            raise GarbledAnswer(result, garbled.text("how"), garbled.number("status"))
        return result

    def _told(self, method: str, error: RpcError) -> RpcError:
        self._seen(method, error.cause)
        return error

    async def _answer(self, method: str, run: Callable[[], Awaitable[Any]]) -> Any:
        try:
            result = await run()
        except RpcError as error:
            self._seen(method, error.cause)
            raise
        except Exception as error:
            logs.event(logger, logging.ERROR, "rpc.failed", exc_info=error, method=method)
            self._seen(method, "INTERNAL_ERROR")
            raise internal_error() from None
        self._seen(method, "OK")
        return result
