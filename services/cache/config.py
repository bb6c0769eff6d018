"""The cache's settings."""

from dataclasses import dataclass

from services.cache.model import Trust
from services.cache.service import Limits
from services.cache.views import ViewTrust
from services.common.chain.near.connect import urls_problem
from services.common.config import ServiceSettings, setting
from services.common.domain.lifecycle import Status
from services.common.redis.settings import RedisSettings


@dataclass(frozen=True, kw_only=True)
class CacheRules(RedisSettings):
    """What the cache keeps and for how long; the embedded shape takes the same."""

    redis_timeout_ms: int = setting(
        10,
        unit="ms",
        minimum=1,
        maximum=1_000,
        help="Longest a read waits for Redis to answer; as long at most before it is asked",
    )
    redis_give_up_ms: int = setting(
        500,
        unit="ms",
        minimum=10,
        maximum=10_000,
        help="Life of a call to Redis that nobody waits for any more",
    )
    redis_expire_s: int = setting(30, unit="s", minimum=1, maximum=30, help="Life of a status in Redis")
    redis_failures: int = setting(
        3, unit="calls", minimum=1, maximum=8, help="Failures in a row after which Redis is left alone"
    )
    redis_pause_ms: int = setting(
        500, unit="ms", minimum=1, help="First pause before Redis is tried again; doubles up to 5 s"
    )
    memory_entries: int = setting(50_000, unit="statuses", minimum=1, help="Most statuses held in memory")
    memory_bytes: int = setting(
        67_108_864, unit="bytes", minimum=65_536, help="Most that the statuses held in memory may take"
    )
    memory_ttl_ms: int = setting(
        1_000,
        unit="ms",
        minimum=0,
        help="Trust in a status in memory that may change, the event log followed",
    )
    memory_untailed_ttl_ms: int = setting(
        200, unit="ms", minimum=0, help="The same while the event log cannot be followed"
    )
    memory_completed_ttl_ms: int = setting(
        3_600_000, unit="ms", minimum=0, help="Trust in a status `completed` in memory"
    )
    memory_failed_ttl_ms: int = setting(
        300_000, unit="ms", minimum=0, help="Trust in a status `failed` in memory"
    )
    memory_jitter_percent: int = setting(
        10,
        unit="%",
        minimum=0,
        maximum=100,
        help="Each trust in a status is shorter by a random share up to this, so that not all end at once",
    )
    memory_revalidate_ms: int = setting(
        1_000,
        unit="ms",
        minimum=0,
        help="Time after its trust ended in which memory still answers and reads anew beside it; only while the "
        "event log is followed",
    )
    unknown_ttl_ms: int = setting(
        100,
        unit="ms",
        minimum=0,
        help="Time store and chain are not asked again for an intent that neither knew, unless a version or an age "
        "is asked for; only while the event log is followed",
    )
    chain_absent_ttl_ms: int = setting(
        1_000, unit="ms", minimum=0, help="Time the chain is not asked again for an intent it did not know"
    )
    view_entries: int = setting(50_000, unit="views", minimum=1, help="Most chain views held in memory")
    view_bytes: int = setting(
        67_108_864, unit="bytes", minimum=65_536, help="Most that the chain views held in memory may take"
    )
    key_ttl_ms: int = setting(10_000, unit="ms", minimum=0, help="Trust in a registered key")
    salt_ttl_ms: int = setting(2_000, unit="ms", minimum=0, help="Trust in a salt")
    balance_ttl_ms: int = setting(1_000, unit="ms", minimum=0, help="Trust in a balance")
    registered_ttl_ms: int = setting(
        300_000, unit="ms", minimum=0, help="Trust in an account's being registered with a token"
    )
    load_timeout_ms: int = setting(
        3_000, unit="ms", minimum=1, help="Longest wait for store and chain together"
    )
    tail_silence_ms: int = setting(
        15_000, unit="ms", minimum=100, help="Silence after which the event log is followed anew"
    )

    def check(self) -> str | None:
        """What is wrong with the settings together, as one line."""
        return self.redis_complaint()

    def trust(self) -> Trust:
        return Trust(
            open=self.memory_ttl_ms / 1000,
            untailed=self.memory_untailed_ttl_ms / 1000,
            ended={
                Status.COMPLETED: self.memory_completed_ttl_ms / 1000,
                Status.FAILED: self.memory_failed_ttl_ms / 1000,
            },
            jitter=self.memory_jitter_percent / 100,
            revalidate=self.memory_revalidate_ms / 1000,
        )

    def view_trust(self) -> ViewTrust:
        return ViewTrust(
            key_present=self.key_ttl_ms / 1000,
            salt=self.salt_ttl_ms / 1000,
            balance=self.balance_ttl_ms / 1000,
            registered=self.registered_ttl_ms / 1000,
        )

    def limits(self) -> Limits:
        return Limits(
            memory_entries=self.memory_entries,
            memory_bytes=self.memory_bytes,
            view_entries=self.view_entries,
            view_bytes=self.view_bytes,
            load_timeout=self.load_timeout_ms / 1000,
            chain_absent=self.chain_absent_ttl_ms / 1000,
            unknown=self.unknown_ttl_ms / 1000,
            tail_silence=self.tail_silence_ms / 1000,
        )


@dataclass(frozen=True, kw_only=True)
class CacheSettings(CacheRules, ServiceSettings):
    """Everything `python -m services.cache` takes."""

    port: int = setting(50053, unit="port", minimum=0, maximum=65_535, help="gRPC port; 0 takes a free one")
    admin_port: int = setting(
        9453,
        unit="port",
        minimum=0,
        maximum=65_535,
        help="Port of /metrics, /healthz, /readyz; 0 takes a free one",
    )
    store_target: str = setting("127.0.0.1:50054", help="Address of the store")
    chain_url: tuple[str, ...] = setting(
        ("http://127.0.0.1:3030",), help="NEAR JSON-RPC endpoints by comma, in order of trust",
    )  # fmt: skip
    chain_id: str | None = setting(
        None,
        help="chain_id of the nodes; one of another is never used. Default: that of the first that answers",
    )
    verifier_id: str = setting("verifier.near", help="Account of the Verifier contract")

    def check(self) -> str | None:
        """What is wrong with the settings together, as one line."""
        problem = urls_problem(self.chain_url)
        return super().check() or (f"CHAIN_URL: {problem}" if problem else None)
