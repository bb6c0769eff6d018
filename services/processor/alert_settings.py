"""Settings of what tells people."""

from dataclasses import dataclass
from pathlib import Path

from services.common.config import setting


@dataclass(frozen=True, kw_only=True)
class AlertSettings:
    """Whom to tell of what is critical, and how much callers are told."""

    development: bool = setting(
        False,
        help="Whether answers to operators hold the details of unexpected errors; else the log alone does",
    )
    alert_webhook_url: str | None = setting(
        None,
        secret=True,
        help="http(s) URL that critical notices are POSTed to; without it they are logged only",
    )
    alert_webhook_url_file: Path | None = setting(None, help="File that holds ALERT_WEBHOOK_URL")
    alert_webhook_header: str | None = setting(
        None, secret=True, help="Header sent with each notice, as `Name: value`; for the receiver's token"
    )
    alert_webhook_header_file: Path | None = setting(None, help="File that holds ALERT_WEBHOOK_HEADER")
    alert_timeout_ms: int = setting(
        5_000, unit="ms", minimum=10, maximum=60_000, help="Longest wait for the receiver of a notice"
    )
    alert_repeat_ms: int = setting(
        3_600_000, unit="ms", minimum=0, help="Time before the same notice (reason and intent) is given again"
    )
    alert_per_minute: int = setting(
        30, unit="notices", minimum=1, maximum=10_000, help="Notices given in a minute; more are counted only"
    )
