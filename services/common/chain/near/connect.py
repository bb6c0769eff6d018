"""From settings to a chain: one NEAR endpoint or several."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from services.common.chain.near.chain import NearChain
from services.common.chain.near.transport import HELD, endpoint_name, open_http
from services.common.chain.several.chain import SeveralChain
from services.common.clock import Clock
from services.common.observe import Observe


@asynccontextmanager
async def open_near(
    urls: Sequence[str],
    verifier_id: str,
    *,
    clock: Clock,
    chain_id: str | None = None,
    observe: Observe | None = None,
    held: int = HELD,
) -> AsyncIterator[SeveralChain]:
    """The chain behind `urls`, in the order of trust. `held`: how many answers each may hold back at the same time.

    Nothing is asked before the first call; connections are closed at the end. Raises ValueError for what
    `urls_problem` names.
    """
    problem = urls_problem(urls)
    if problem:
        raise ValueError(problem)
    async with AsyncExitStack() as stack:
        endpoints = []
        for name, url in zip(_names(urls), urls, strict=True):
            transport = await stack.enter_async_context(open_http(url, held=held))
            endpoints.append((name, NearChain(transport, verifier_id)))
        several = SeveralChain(endpoints, clock=clock, network=chain_id or "", observe=observe)
        yield await stack.enter_async_context(several.running())


def urls_problem(urls: Sequence[str]) -> str | None:
    """What is wrong with a list of endpoints, without a word of what may be a key in it."""
    if not urls:
        return "at least one URL of a chain node is needed"
    for number, url in enumerate(urls, 1):
        try:
            endpoint_name(url)
        except ValueError:
            return f"number {number} is not an http:// or https:// URL"
    if len(set(urls)) < len(urls):
        return "names an endpoint twice: it would confirm itself"
    return None


def _names(urls: Sequence[str]) -> list[str]:
    """Host and port, told apart by their place where several are of one host."""
    plain = [endpoint_name(url) for url in urls]
    often = Counter(plain)
    return [name if often[name] == 1 else f"{name}#{place}" for place, name in enumerate(plain, 1)]
