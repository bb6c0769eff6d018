"""What a running service shows of itself: logs, traces, metrics, an admin port."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry

from services.common.observe.metrics import new_registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """A service's name on spans and the registry its metrics go to; several services may share a registry."""

    service: str
    registry: CollectorRegistry = field(default_factory=new_registry)
