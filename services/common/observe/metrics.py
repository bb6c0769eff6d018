"""Prometheus families per registry, made once however many services of a process ask, with cached children.

`.labels()` on every call costs more than the rest of a light interceptor; `Family` keeps the children.
"""

from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar
from weakref import WeakKeyDictionary

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

# a `_created` series beside each counter and histogram is nothing a reader of the seed's metrics knows
disable_created_metrics()  # type: ignore[no-untyped-call]

LATENCY_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds; for calls."""

M = TypeVar("M", Counter, Gauge, Histogram)


class Family(Generic[M]):
    """A metric with its children cached by label values. Labels must be bounded by the caller."""

    __slots__ = ("_children", "metric")

    def __init__(self, metric: M) -> None:
        self.metric: M = metric
        self._children: dict[tuple[str, ...], M] = {}

    def __call__(self, *values: str) -> M:
        """The child for these label values; without labels the metric itself."""
        child = self._children.get(values)
        if child is None:
            child = self.metric.labels(*values) if values else self.metric
            self._children[values] = child
        return child


_families: WeakKeyDictionary[
    CollectorRegistry, dict[str, Family[Counter] | Family[Gauge] | Family[Histogram]]
]
_families = WeakKeyDictionary()


def new_registry(*, process: bool = True) -> CollectorRegistry:
    """A registry of its own; `process` adds the process's CPU, memory and garbage collection."""
    registry = CollectorRegistry()
    if process:
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
    return registry


def counter(registry: CollectorRegistry, name: str, help: str, labels: Sequence[str] = ()) -> Family[Counter]:
    """The counter `name` (`_total` may be part of it) of this registry, made at the first call."""
    return _family(registry, name, Counter, lambda: Counter(name, help, labels, registry=registry))


def gauge(registry: CollectorRegistry, name: str, help: str, labels: Sequence[str] = ()) -> Family[Gauge]:
    """The gauge `name` of this registry, made at the first call."""
    return _family(registry, name, Gauge, lambda: Gauge(name, help, labels, registry=registry))


def histogram(
    registry: CollectorRegistry,
    name: str,
    help: str,
    labels: Sequence[str] = (),
    *,
    buckets: Sequence[float] = LATENCY_BUCKETS,
) -> Family[Histogram]:
    """The histogram `name` of this registry, made at the first call with these upper bounds."""
    return _family(
        registry, name, Histogram, lambda: Histogram(name, help, labels, registry=registry, buckets=buckets)
    )


def _family(registry: CollectorRegistry, name: str, kind: type[M], make: Callable[[], M]) -> Family[M]:
    known = _families.setdefault(registry, {})
    family = known.get(name)
    if family is None:
        made = Family(make())
        known[name] = made
        return made
    if not isinstance(family.metric, kind):
        raise TypeError(f"{name} is already a {type(family.metric).__name__}")
    return family
