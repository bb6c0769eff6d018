"""Chain views with a time limit of their own, so that a slow cache leaves room for an answer that says so."""

from collections.abc import Sequence

from services.common.domain.views import ChainView, ViewAnswer
from services.common.errors import IntentError
from services.common.ports import ChainViews
from services.common.rpc.deadline import deadline_scope


class BoundedViews:
    """Satisfies `services.common.ports.ChainViews`; `limit` in seconds."""

    def __init__(self, inner: ChainViews, limit: float) -> None:
        self._inner = inner
        self._limit = limit

    async def views(self, asked: Sequence[ChainView]) -> Sequence[ViewAnswer | IntentError]:
        with deadline_scope(self._limit):
            return await self._inner.views(asked)
