"""One entry for every method, the same for the HTTP server and for a caller in this process."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from services.common.clock import Clock
from services.common.observe import logs
from services.devnet.faults import Faults
from services.devnet.node.chain import Chain
from services.devnet.rpc.control import Control
from services.devnet.rpc.errors import RpcError, internal_error, method_not_found
from services.devnet.rpc.transactions import Transactions
from services.devnet.rpc.views import Views

logger = logging.getLogger(__name__)
Method = Callable[[object], Awaitable[Any]]


class Rpc:
    """Answers NEAR JSON-RPC methods."""

    def __init__(
        self, chain: Chain, faults: Faults, clock: Clock, *, timeout: float, control: bool,
        seen: Callable[[str, str], None] = lambda method, result: None,
    ) -> None:  # fmt: skip
        views, transactions = Views(chain, faults, clock), Transactions(chain, faults, timeout)
        self._faults = faults
        self._clock = clock
        self._seen = seen
        self._methods: dict[str, Method] = {
            "query": views.query,
            "block": views.block,
            "status": views.status,
            "gas_price": views.gas_price,
            "send_tx": transactions.send_tx,
            "tx": transactions.tx,
            "EXPERIMENTAL_tx_status": transactions.tx_status,
            "broadcast_tx_async": transactions.broadcast_tx_async,
            "broadcast_tx_commit": transactions.broadcast_tx_commit,
        }
        self._control: dict[str, Method] = {}
        if control:
            extras = Control(chain, faults)
            self._control = {
                "devnet_counts": extras.counts,
                "devnet_faults": extras.set_faults,
                "devnet_advance": extras.advance,
            }

    async def handle(self, method: str, params: object) -> Any:
        """The `result` of one request. Raises RpcError, and ConnectionError where a fault asked for it."""
        extra = self._control.get(method)
        if extra is not None:
            return await self._answer(method, extra, params)
        run = self._methods.get(method)
        if run is None:
            self._seen("unknown", "METHOD_NOT_FOUND")
            raise method_not_found(method)
        if self._faults.take("refuse_next"):
            raise ConnectionRefusedError("refused, as devnet_faults asked")
        drop, delay = self._faults.take("drop_next"), self._faults.take("delay_next")
        try:
            return await self._answer(method, run, params)
        finally:
            if delay:
                await self._clock.sleep(self._faults.value("delay_ms") / 1000)
            if drop:
                raise ConnectionResetError("answer dropped, as devnet_faults asked")

    async def _answer(self, method: str, run: Method, params: object) -> Any:
        try:
            result = await run(params)
        except RpcError as error:
            self._seen(method, error.cause)
            raise
        except Exception as error:
            logs.event(logger, logging.ERROR, "rpc.failed", exc_info=error, method=method)
            self._seen(method, "INTERNAL_ERROR")
            raise internal_error() from None
        self._seen(method, "OK")
        return result
