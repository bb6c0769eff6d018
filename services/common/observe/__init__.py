"""What a running service shows of itself: logs, traces, metrics, an admin port."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from services.common.observe.metrics import new_registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """A service's name on spans, the registry its metrics go to, and notes: several services may share the last two.

    `notes` say, by subject, what is amiss while the service goes on; /readyz shows them.
    """

    service: str
    registry: CollectorRegistry = field(default_factory=new_registry)
    notes: dict[str, str] = field(default_factory=dict)
