"""What the edge counts. Labels are bounded: reasons of the catalogue, routes, kinds of watch."""

from services.common.observe import Observe, metrics


class Vocabulary:
    """The edge's own metrics in one registry."""

    def __init__(self, observe: Observe) -> None:
        registry = observe.registry
        self.submissions = metrics.counter(
            registry,
            "edge_submissions_total",
            "Submissions by outcome: accepted, repeated or a reason",
            ("outcome",),
        )
        self.side_failures = metrics.counter(
            registry, "edge_side_failures_total", "Failures that do not concern the caller", ("what",)
        )
        self.rate_limit_local = metrics.counter(
            registry,
            "edge_rate_limit_local_total",
            "Attempts counted by this replica alone, Redis being away",
        )
        self.watchers = metrics.gauge(registry, "edge_watchers", "Watches open now", ("kind",))
        self.feed_connects = metrics.counter(
            registry, "edge_feed_connects_total", "Times a feed was taken up"
        )
        self.feed_up = metrics.gauge(registry, "edge_feed_up", "1 while a feed is held")
        self.conflations = metrics.counter(
            registry, "edge_conflations_total", "Times a slow watcher's queue was cut to latest states"
        )
        self.http_requests = metrics.counter(
            registry, "http_server_requests_total", "HTTP requests answered", ("route", "method", "status")
        )
        self.http_duration = metrics.histogram(
            registry,
            "http_server_duration_seconds",
            "Time from a request's arrival to its answer",
            ("route",),
        )
        self.http_in_flight = metrics.gauge(registry, "http_server_in_flight", "HTTP requests being served")
