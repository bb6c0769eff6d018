"""An endpoint and how it stands; what logs and metrics say of it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.common.chain.port import Block, Chain
from services.common.errors import IntentError
from services.common.observe import Observe, logs, metrics

logger: Final = logging.getLogger(__name__)

STRIKES: Final = 3
"""Calls in a row without an answer after which an endpoint counts as away."""


class Standing(StrEnum):
    """Whether an endpoint is asked."""

    USABLE = "usable"
    BEHIND = "behind"  # its final block is one that the others have passed: asked after them
    AWAY = "away"  # does not answer: asked only where nobody else is left
    APART = "apart"  # its final block is not one of the others' chain: not asked while that is so
    FOREIGN = "foreign"  # of another chain id: never asked


@dataclass(slots=True, eq=False)
class Endpoint:
    """`name` is what may be said of it in logs; `verified` whether it once named the wanted chain; `final` the final
    block it last named."""

    name: str
    chain: Chain
    standing: Standing = Standing.USABLE
    verified: bool = False
    final: Block | None = None
    strikes: int = 0


class Voice:
    """Events and metrics. Labels: the configured endpoints' names, and what was disagreed about."""

    def __init__(self, observe: Observe | None) -> None:
        registry = metrics.new_registry(process=False) if observe is None else observe.registry
        self._usable = metrics.gauge(
            registry, "chain_endpoint_usable", "1 while a chain endpoint is asked first", ("endpoint",)
        )
        self._failovers = metrics.counter(
            registry, "chain_failovers_total", "Questions a chain endpoint left to the next", ("endpoint",)
        )
        self._disagreements = metrics.counter(
            registry,
            "chain_disagreements_total",
            "Endpoints of one chain that said different things, by what about",
            ("about",),
        )

    def stands(self, endpoint: Endpoint, standing: Standing, why: str) -> None:
        """`endpoint` has `standing` from now on; said once for each change."""
        self._usable(endpoint.name).set(standing is Standing.USABLE)
        if endpoint.standing is standing:
            return
        endpoint.standing = standing
        level = logging.INFO if standing is Standing.USABLE else logging.WARNING
        logs.event(
            logger, level, "chain.endpoint", endpoint=endpoint.name, standing=str(standing), detail=why
        )

    def answered(self, endpoint: Endpoint) -> None:
        """It answers a question."""
        endpoint.strikes = 0
        if endpoint.standing is Standing.AWAY:
            self.stands(endpoint, Standing.USABLE, "it answers again")

    def left(self, endpoint: Endpoint, error: IntentError | None) -> None:
        """It did not answer: an error, or nothing yet while another did."""
        endpoint.strikes += 1
        self._failovers(endpoint.name).inc()
        if endpoint.strikes >= STRIKES and endpoint.standing in (Standing.USABLE, Standing.BEHIND):
            why = "slower than the next" if error is None else f"{error.reason}, {STRIKES} times in a row"
            self.stands(endpoint, Standing.AWAY, why)

    def disagree(self, about: str, what: str, endpoints: Sequence[Endpoint], answer: str) -> None:
        """Two said different things of `what`; `answer` is what is answered."""
        self._disagreements(about).inc()
        names = ", ".join(endpoint.name for endpoint in endpoints)
        logs.event(
            logger, logging.WARNING, "chain.disagreement",
            about=about, what=what[:200], endpoints=names, answered=answer,
        )  # fmt: skip
