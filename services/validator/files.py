"""The files a validator goes by: read at the start, watched while it runs."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, TypeVar

from services.common.clock import Clock
from services.common.config import SettingError
from services.validator.adapters import prices
from services.validator.adapters.watched import FileRefusedError, WatchedFile
from services.validator.config import RuleSettings
from services.validator.observe import Vocabulary
from services.validator.ports import Price
from services.validator.registry import MAX_FILE_BYTES, Registry, read_registry
from services.validator.service import Validator

REGISTRY: Final = "token_registry"
PRICES: Final = "prices"

T = TypeVar("T")


class _Told:
    """Metrics, log and note of one file."""

    def __init__(self, file: str, vocabulary: Vocabulary) -> None:
        self.file = file
        self.vocabulary = vocabulary

    def refused(self, why: str) -> None:
        self.vocabulary.file_refused(self.file, why)

    def settled(self) -> None:
        self.vocabulary.file_settled(self.file)


class _Registry(_Told):
    def __init__(self, validator: Validator, settings: RuleSettings, vocabulary: Vocabulary) -> None:
        super().__init__(REGISTRY, vocabulary)
        self._validator = validator
        self._settings = settings

    def adopt(self, found: Registry) -> None:
        self._validator.adopt(self._settings.bounded(found))
        self.vocabulary.registry(len(found.tokens))

    def taken(self, value: Registry) -> None:
        self.adopt(value)
        self.vocabulary.file_taken(self.file, digest=value.digest, tokens=str(len(value.tokens)))


class _Prices(_Told):
    def __init__(self, held: prices.FilePrices, vocabulary: Vocabulary) -> None:
        super().__init__(PRICES, vocabulary)
        self._held = held

    def taken(self, value: Mapping[str, Price]) -> None:
        self._held.found = value
        self.vocabulary.file_taken(self.file, prices=str(len(value)))


@asynccontextmanager
async def watching(
    settings: RuleSettings, validator: Validator, clock: Clock, vocabulary: Vocabulary
) -> AsyncIterator[None]:
    """`validator` goes by the files that the settings name, and by every change of them, until left.
    Raises SettingError for one that cannot be used now."""
    async with AsyncExitStack() as stack:
        if settings.token_registry_file is None:
            vocabulary.registry(len(validator.book.registry.tokens))
        else:
            told = _Registry(validator, settings, vocabulary)
            registry: WatchedFile[Registry] = WatchedFile(
                settings.token_registry_file, read_registry, max_bytes=MAX_FILE_BYTES, clock=clock, told=told
            )
            told.adopt(await _first("TOKEN_REGISTRY_FILE", registry))
            vocabulary.file_watched(REGISTRY)
            _watch(stack, registry, settings.token_registry_poll_ms)
        if settings.prices_file is not None:
            held = prices.FilePrices({})
            quoted: WatchedFile[Mapping[str, Price]] = WatchedFile(
                settings.prices_file,
                prices.read_prices,
                max_bytes=prices.MAX_FILE_BYTES,
                clock=clock,
                told=_Prices(held, vocabulary),
            )
            held.found = await _first("PRICES_FILE", quoted)
            validator.prices = held
            vocabulary.file_watched(PRICES)
            _watch(stack, quoted, settings.prices_poll_ms)
        yield


async def _first(name: str, file: WatchedFile[T]) -> T:
    try:
        return await file.first()
    except FileRefusedError as error:
        raise SettingError(f"{name}: {error}") from None


def _watch(stack: AsyncExitStack, file: WatchedFile[T], every_ms: int) -> None:
    task = asyncio.create_task(file.run(every_ms / 1000))

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(end)
