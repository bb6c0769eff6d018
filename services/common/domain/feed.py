"""What an edge and a notifier say to each other over a feed."""

from dataclasses import dataclass

from services.common.domain.intent import IntentEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribe:
    """From now on events of these too; `sequence` is echoed in Subscribed."""

    sequence: int
    intent_ids: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsubscribe:
    """No longer events of these."""

    intent_ids: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """First command. Empty `cursor` starts at the newest."""

    edge_id: str
    cursor: str = ""
    subscriptions: Subscribe = Subscribe(sequence=0)


FeedCommand = Open | Subscribe | Unsubscribe


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedMessage:
    """`cursor` is the position after this message.

    `events` may be empty (a position). `subscribed` answers a Subscribe (0: the Open): every event after
    this message's cursor will come. `reset`: the cursor was too old; take latest states from the store.
    """

    cursor: str
    events: tuple[IntentEvent, ...] = ()
    subscribed: int | None = None
    reset: bool = False
