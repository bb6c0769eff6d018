"""What the node shows of itself."""

from typing import Final

from services.common.observe import Observe
from services.common.observe.metrics import counter, gauge

STARTED: Final = "chain.started"
PRODUCER_FAILED: Final = "producer.failed"


class DevnetMetrics:
    """Labels are bounded: methods known, results are cause names."""

    def __init__(self, observe: Observe) -> None:
        registry = observe.registry
        self.requests = counter(
            registry,
            "devnet_rpc_requests_total",
            "JSON-RPC requests by method and result",
            ("method", "result"),
        )
        self.height = gauge(registry, "devnet_block_height", "Height of the newest block")
        self.pool = gauge(registry, "devnet_pool_transactions", "Transactions waiting for a block")
        self.transactions = counter(registry, "devnet_transactions_total", "Transactions put into blocks")
