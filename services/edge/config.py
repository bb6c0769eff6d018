"""Settings of the edge."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from services.common.config import ServiceSettings, setting
from services.common.redis.settings import RedisSettings
from services.edge.limits.address import networks
from services.edge.model import Limits


@dataclass(frozen=True, kw_only=True)
class EdgeRules(RedisSettings, ServiceSettings):
    """How the edge serves; the embedded shape takes the same."""

    port: int = setting(50051, unit="port", minimum=0, maximum=65_535, help="gRPC port; 0 takes a free one")
    admin_port: int = setting(
        9451,
        unit="port",
        minimum=0,
        maximum=65_535,
        help="Port of /metrics, /healthz, /readyz; 0 takes a free one",
    )
    http_host: str = setting("127.0.0.1", help="Address HTTP and socket.io bind to")
    http_port: int = setting(
        8080, unit="port", minimum=0, maximum=65_535, help="Port of HTTP and socket.io; 0 takes a free one"
    )
    redis_timeout_ms: int = setting(
        250,
        unit="ms",
        minimum=10,
        maximum=10_000,
        help="Longest wait for Redis before this replica counts alone",
    )
    rate_limit_max: int = setting(
        20, unit="submissions", minimum=1, help="Submissions let through per caller in any window"
    )
    rate_limit_window_ms: int = setting(900_000, unit="ms", minimum=1, help="Length of that window")
    max_in_flight_per_user: int = setting(
        0,
        unit="intents",
        minimum=0,
        maximum=10_000,
        help="Most intents of one user_account under way before a new one is refused; 0 any number",
    )
    max_in_flight_per_token: int = setting(
        0,
        unit="intents",
        minimum=0,
        maximum=10_000,
        help="Most intents under way that name one token on either side; 0 any number",
    )
    in_flight_trust_ms: int = setting(
        1_000,
        unit="ms",
        minimum=0,
        maximum=60_000,
        help="Time that such a count is relied on, what this edge lets through being added",
    )
    trusted_proxies: tuple[str, ...] = setting(
        (), unit="CIDRs", help="Proxies whose X-Forwarded-For counts, comma-separated"
    )
    tokens_file: Path | None = setting(
        None,
        help="File of token hashes (python -m services.edge hash-token); without it callers are anonymous",
    )
    insecure_anonymous: bool = setting(
        False, help="Let anyone in on an address that is not loopback, without tokens"
    )
    max_batch: int = setting(
        100, unit="items", minimum=1, maximum=256, help="Most submissions or ids in one batch"
    )
    max_body_bytes: int = setting(
        65_536, unit="bytes", minimum=1_024, maximum=1 << 24, help="Largest submission, and largest HTTP body"
    )
    max_watch_ids: int = setting(1_000, unit="ids", minimum=1, maximum=10_000, help="Most ids in one watch")
    max_watchers: int = setting(
        10_000, unit="watches", minimum=1, help="Watches open at once, over all protocols"
    )
    watch_queue: int = setting(
        256, unit="events", minimum=1, help="Events kept for a slow watcher before it gets latest states only"
    )
    heartbeat_ms: int = setting(
        10_000, unit="ms", minimum=100, maximum=15_000, help="Longest silence on a watch"
    )
    default_lifetime: int = setting(
        3_600, unit="s", minimum=1, help="Life of an intent that nothing else bounds"
    )
    cors_origins: tuple[str, ...] = setting(
        (),
        unit="origins",
        help="Origins browsers may call from, comma-separated; * is any; default the edge's own",
    )

    def check(self) -> str | None:
        """What is wrong between settings, in one line."""
        try:
            networks(self.trusted_proxies)
        except ValueError as error:
            return f"TRUSTED_PROXIES: {error}"
        if complaint := self.redis_complaint():
            return complaint
        if self.tokens_file is None and not self.insecure_anonymous:
            for name, host in (("HOST", self.host), ("HTTP_HOST", self.http_host)):
                if not is_loopback(host):
                    return (
                        f"{name}: {host} can be reached by others; give TOKENS_FILE, "
                        "or INSECURE_ANONYMOUS=true to let anyone in"
                    )
        return None

    def limits(self) -> Limits:
        """What GetInfo shows."""
        return Limits(
            max_batch=self.max_batch,
            max_body_bytes=self.max_body_bytes,
            max_watch=self.max_watch_ids,
            rate_max=self.rate_limit_max,
            rate_window=self.rate_limit_window_ms / 1000,
        )


@dataclass(frozen=True, kw_only=True)
class Settings(EdgeRules):
    """Everything `python -m services.edge` takes."""

    validator_target: str = setting("127.0.0.1:50052", help="gRPC target of the validator")
    cache_target: str = setting("127.0.0.1:50053", help="gRPC target of the cache")
    store_target: str = setting("127.0.0.1:50054", help="gRPC target of the store")
    notifier_target: str = setting("127.0.0.1:50055", help="gRPC target of the notifier")


def is_loopback(host: str) -> bool:
    """True only for addresses nobody else can reach."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
