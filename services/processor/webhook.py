"""Where notices go: an operator's URL.

The operator chose the URL, so any host may be meant, one of this machine's too. What is kept out: other schemes,
redirects to elsewhere, an answer that never ends, and the URL or its header in a log.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from services.common.config import SettingError
from services.processor.alert_settings import AlertSettings
from services.processor.alerts import NotDelivered
from services.processor.secret_values import secret_of

CONNECTIONS: Final = 2
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}):[ \t]*(\S[ -~]*)")
_OURS: Final = frozenset({"content-length", "content-type", "host", "transfer-encoding", "connection"})


class HttpWebhook:
    """POSTs JSON. Use `open_webhook`."""

    def __init__(self, url: str, session: aiohttp.ClientSession, timeout: float) -> None:
        self._url = url
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout)

    async def post(self, body: bytes) -> None:
        """Raises NotDelivered, whose text holds nothing of the URL. Any 2xx is a receipt; its body is not read."""
        try:
            async with self._session.post(
                self._url, data=body, timeout=self._timeout, allow_redirects=False
            ) as response:
                status = response.status
                response.close()
        except TimeoutError:
            raise NotDelivered("no answer in time", again=True) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # its text may hold the URL
            raise NotDelivered(type(error).__name__, again=True) from None
        if not 200 <= status < 300:
            raise NotDelivered(f"status {status}", again=status >= 500 or status in (408, 429))


def url_of(settings: AlertSettings) -> str | None:
    """Raises SettingError."""
    url = secret_of("ALERT_WEBHOOK_URL", settings.alert_webhook_url, settings.alert_webhook_url_file)
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or " " in url:
        raise SettingError("ALERT_WEBHOOK_URL: http://HOST/… or https://HOST/… is expected")
    return url


def header_of(settings: AlertSettings) -> dict[str, str]:
    """Raises SettingError."""
    text = secret_of(
        "ALERT_WEBHOOK_HEADER", settings.alert_webhook_header, settings.alert_webhook_header_file
    )
    if text is None:
        return {}
    found = _HEADER.fullmatch(text)
    if found is None or found[1].lower() in _OURS:
        raise SettingError(
            "ALERT_WEBHOOK_HEADER: `Name: value` is expected, of a header that is not HTTP's own"
        )
    return {found[1]: found[2]}


@asynccontextmanager
async def open_webhook(settings: AlertSettings) -> AsyncIterator[HttpWebhook | None]:
    """None where no URL is set. Raises SettingError."""
    url, header = url_of(settings), header_of(settings)
    if url is None:
        yield None
        return
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": "application/json", **header},
    ) as session:
        yield HttpWebhook(url, session, settings.alert_timeout_ms / 1000)
