"""The notifier's settings."""

from dataclasses import dataclass

from services.common.config import ServiceSettings, setting
from services.notifier.service import Limits


@dataclass(frozen=True, kw_only=True)
class NotifierRules:
    """How feeds are served; the embedded shape takes the same."""

    position_ms: int = setting(
        1_000, unit="ms", minimum=10, help="Silence after which a feed is sent its position"
    )
    feed_buffer_events: int = setting(
        10_000, unit="events", minimum=1, help="Events a feed may lag before it is ended, to be resumed"
    )
    feed_subscriptions: int = setting(
        500_000, unit="subscriptions", minimum=1, help="Most intents and principals of one feed"
    )
    feed_open_wait_ms: int = setting(
        5_000, unit="ms", minimum=1, help="Longest a new feed waits for the event log to be reached"
    )
    tail_silence_ms: int = setting(
        15_000, unit="ms", minimum=100, help="Silence after which the event log is followed anew"
    )

    def limits(self) -> Limits:
        return Limits(
            position=self.position_ms / 1000,
            buffer=self.feed_buffer_events,
            subscriptions=self.feed_subscriptions,
            tail_silence=self.tail_silence_ms / 1000,
            open_wait=self.feed_open_wait_ms / 1000,
        )


@dataclass(frozen=True, kw_only=True)
class NotifierSettings(NotifierRules, ServiceSettings):
    """Everything `python -m services.notifier` takes."""

    port: int = setting(50055, unit="port", minimum=0, maximum=65_535, help="gRPC port; 0 takes a free one")
    admin_port: int = setting(
        9455,
        unit="port",
        minimum=0,
        maximum=65_535,
        help="Port of /metrics, /healthz, /readyz; 0 takes a free one",
    )
    store_target: str = setting("127.0.0.1:50054", help="Address of the store, whose event log is followed")
