"""The notifier's settings."""

from dataclasses import dataclass

from services.common.config import ServiceSettings, setting


@dataclass(frozen=True, kw_only=True)
class FeedSettings:
    """How feeds behave; the embedded shape takes the same."""

    position_ms: int = setting(
        1_000,
        unit="ms",
        minimum=10,
        maximum=15_000,
        help="Longest silence on a feed before its position is sent",
    )
    max_feeds: int = setting(256, unit="feeds", minimum=1, help="Feeds open at once, one for each edge")
    max_subscriptions: int = setting(
        1_000_000, unit="names", minimum=1, help="Intents and principals one feed may be subscribed to"
    )


@dataclass(frozen=True, kw_only=True)
class NotifierSettings(FeedSettings, ServiceSettings):
    """Everything `python -m services.notifier` takes."""

    port: int = setting(50055, unit="port", minimum=0, maximum=65_535, help="gRPC port; 0 takes a free one")
    admin_port: int = setting(
        9455,
        unit="port",
        minimum=0,
        maximum=65_535,
        help="Port of /metrics, /healthz, /readyz; 0 takes a free one",
    )
    store_target: str = setting("127.0.0.1:50054", help="Address of the store")
