"""Settings of the embedded shape: the edge's own, and where the data lives.

What the other services take from the environment counts here too (RULES of the validator, the cache, the
processor, devnet), except their addresses: nothing of them listens.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from services.common.config import ServiceSettings, load, setting
from services.edge.config import EdgeRules

_OWN = frozenset(field.name for field in fields(ServiceSettings))


@dataclass(frozen=True, kw_only=True)
class EmbeddedSettings(EdgeRules):
    """Of `python -m services.embedded`."""

    data_dir: Path = setting(Path("data"), help="Folder of the store and of devnet's chain; made if missing")
    admin_port: int = setting(
        9451,
        unit="port",
        minimum=0,
        maximum=65_535,
        help="Port of /metrics, /healthz, /readyz of all services",
    )
    devnet_host: str = setting("127.0.0.1", help="Address devnet's JSON-RPC binds to")
    devnet_port: int = setting(
        3030, unit="port", minimum=0, maximum=65_535, help="Port of devnet's JSON-RPC; 0 takes a free one"
    )

    def of(self, cls: type[Any], *, env: Mapping[str, str] | None = None, **fixed: Any) -> Any:
        """Another service's settings: from the environment, with what is process-wide taken from here."""
        found = os.environ if env is None else env
        theirs = {name: value for name, value in found.items() if name.lower() not in _OWN}
        shared = {
            name: getattr(self, name)
            for name in _OWN
            if name not in ("port", "admin_port", "max_message_bytes")
        }
        known = {field.name for field in fields(cls)}
        fixed = {
            name: value
            for name, value in (shared | {"port": 0, "admin_port": 0} | fixed).items()
            if name in known
        }
        return replace(load(cls, prog="embedded", env=theirs, argv=[]), **fixed)
