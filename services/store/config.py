"""Settings of the store."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from services.common.config import ServiceSettings, setting

Driver: TypeAlias = Literal["motor", "pymongo"]
SQLITE: Final = "sqlite:///"


@dataclass(frozen=True, kw_only=True)
class StoreSettings(ServiceSettings):
    """Of `python -m services.store`."""

    port: int = setting(50054, unit="port", minimum=0, maximum=65_535, help="gRPC port; 0 takes a free one")
    admin_port: int = setting(
        9454,
        unit="port",
        minimum=0,
        maximum=65_535,
        help="Port of /metrics, /healthz, /readyz; 0 takes a free one",
    )
    max_message_bytes: int = setting(
        8 << 20,
        unit="bytes",
        minimum=1_024,
        maximum=1 << 28,
        help="Largest request taken; answers may be 4 times it",
    )
    database_url: str = setting(
        "sqlite:///data/store.db",
        secret=True,
        help="sqlite:///relative/path, sqlite:////absolute/path or mongodb://host/database?options",
    )
    database_driver: Driver = setting(
        "motor",
        help="Of MongoDB; pymongo is its AsyncMongoClient, which takes motor's place in 2027",
    )
    database_select_timeout_ms: int = setting(
        3_000,
        unit="ms",
        minimum=50,
        maximum=600_000,
        help="Longest wait for a MongoDB server that can be used",
    )
    database_timeout_ms: int = setting(
        5_000,
        unit="ms",
        minimum=50,
        maximum=600_000,
        help="Longest wait for MongoDB's answer on a connection, or for an SQLite file that another process has locked",
    )
    database_pool_size: int = setting(
        64, unit="connections", minimum=1, maximum=10_000, help="Most connections to a MongoDB server"
    )
    partitions: int = setting(
        16,
        unit="partitions",
        minimum=1,
        maximum=1_024,
        help="Of the event log; fixed at the store's first start",
    )
    relay_poll_ms: int = setting(
        500,
        unit="ms",
        minimum=10,
        maximum=600_000,
        help="Time between looks for events a dead replica left behind",
    )
    event_poll_ms: int = setting(
        200, unit="ms", minimum=10, maximum=600_000, help="Time between looks for events other replicas wrote"
    )
    rollup_interval_ms: int = setting(
        1_000,
        unit="ms",
        minimum=10,
        maximum=600_000,
        help="Time between rounds of folding events into roll-ups; statistics fold what is left by themselves",
    )
    events_keep_hours: int = setting(
        0,
        unit="hours",
        minimum=0,
        maximum=1_000_000,
        help="Age at which events of the log are dropped; 0 keeps them",
    )
    events_keep_count: int = setting(
        0,
        unit="events",
        minimum=0,
        maximum=1_000_000_000_000,
        help="Most events kept in each partition of the log; 0 keeps all. The newest is never dropped",
    )
    events_archive_dir: str = setting(
        "",
        help="Folder that events are archived in before they are dropped, or none to drop them for good; needed "
        "where EVENTS_KEEP_HOURS or EVENTS_KEEP_COUNT is set",
    )
    events_retention_ms: int = setting(
        300_000, unit="ms", minimum=100, maximum=86_400_000, help="Time between looks for events to drop"
    )
    overdue_grace_ms: int = setting(
        60_000,
        unit="ms",
        minimum=1_000,
        maximum=86_400_000,
        help="How long a due intent may be without an owner before it counts as overdue",
    )
    metrics_refresh_ms: int = setting(
        5_000, unit="ms", minimum=100, maximum=3_600_000, help="Time between counts for the gauges"
    )
    actions: tuple[str, ...] = setting(
        ("swap", "transfer"),
        help="Actions shown as metric labels, comma-separated; all others count as other",
    )

    def check(self) -> str | None:
        prefixes = (SQLITE, "mongodb://", "mongodb+srv://")
        if not self.database_url.startswith(prefixes) or self.database_url in prefixes:
            return "DATABASE_URL: sqlite:///path or mongodb://host/database is expected"
        if self.drops_events and not self.events_archive_dir:
            return (
                "EVENTS_ARCHIVE_DIR: a folder is expected, for events before they are dropped, or none to drop them "
                "for good"
            )
        return None

    @property
    def sqlite_path(self) -> Path | None:
        """Of the database file; None on MongoDB."""
        if not self.database_url.startswith(SQLITE):
            return None
        return Path(self.database_url.removeprefix(SQLITE))

    @property
    def drops_events(self) -> bool:
        """Whether anything is ever dropped from the event log."""
        return bool(self.events_keep_hours or self.events_keep_count)
