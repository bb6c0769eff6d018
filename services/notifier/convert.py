"""Feed messages on the wire, each made once however many feeds carry it; the rest is in `common.convert`."""

from collections import OrderedDict
from typing import Final

from intents.notifier.v1 import notifier_service_pb2 as pb
from intents.v1 import types_pb2 as types_pb
from services.common.convert.answers import feed_to_proto
from services.common.convert.intents import event_to_proto
from services.common.domain.feed import FeedMessage
from services.common.domain.intent import IntentEvent

KEPT_MESSAGES: Final = 64
KEPT_EVENTS: Final = 1024


class Encoder:
    """Remembers the last messages and events by identity: feeds share the objects themselves."""

    def __init__(self) -> None:
        self._messages: OrderedDict[int, tuple[FeedMessage, pb.FeedResponse]] = OrderedDict()
        self._events: OrderedDict[int, tuple[IntentEvent, types_pb.IntentEvent]] = OrderedDict()

    def response(self, message: FeedMessage) -> pb.FeedResponse:
        """To be sent as it is, never changed: other feeds send it too."""
        if not message.events:
            return feed_to_proto(message)
        # the message is kept beside its encoding, so that its identity is not given to another meanwhile
        kept = self._messages.get(id(message))
        if kept is not None:
            return kept[1]
        response = pb.FeedResponse(cursor=message.cursor)
        response.events.events.extend([self._event(event) for event in message.events])
        self._messages[id(message)] = (message, response)
        if len(self._messages) > KEPT_MESSAGES:
            self._messages.popitem(last=False)
        return response

    def _event(self, event: IntentEvent) -> types_pb.IntentEvent:
        kept = self._events.get(id(event))
        if kept is not None:
            return kept[1]
        encoded = event_to_proto(event)
        self._events[id(event)] = (event, encoded)
        if len(self._events) > KEPT_EVENTS:
            self._events.popitem(last=False)
        return encoded
