"""Which port each process gets; fixed before anything starts, so that one started again has it again."""

import random
import socket
from collections.abc import Mapping
from typing import Final

GRPC: Final = ("edge", "validator", "cache", "store", "notifier", "processor")
"""Services with a gRPC port, in the order of their ports."""

SERVICES: Final = (*GRPC, "devnet")

NAMES: Final = (
    *GRPC,
    "http",
    "devnet",
    *(f"{name}.admin" for name in SERVICES),
    "redis",
    "mongodb",
)
"""Every port of a cluster; with a base they follow each other in this order."""

DEFAULTS: Final[Mapping[str, int]] = {
    **{name: 50051 + index for index, name in enumerate(GRPC)},
    "http": 8080,
    "devnet": 3030,
    **{f"{name}.admin": 9451 + index for index, name in enumerate(SERVICES)},
    "redis": 6379,
    "mongodb": 27017,
}
"""The ports each service has by itself, and those of the servers."""

# below what Linux and macOS give to outgoing connections: one of those must not take the port of a process that is
# just being started again
_LOWEST, _HIGHEST = 15_000, 32_000


def from_base(base: int) -> dict[str, int]:
    """`base` and the ports after it."""
    return {name: base + index for index, name in enumerate(NAMES)}


def free() -> dict[str, int]:
    """Ports nobody listens on now."""
    found: dict[str, int] = {}
    tried = random.sample(range(_LOWEST, _HIGHEST), 2_000)
    names = iter(NAMES)
    name = next(names, None)
    for port in tried:
        if name is None:
            break
        if available(port):
            found[name] = port
            name = next(names, None)
    if name is not None:
        raise OSError("no free ports were found")
    return found


def available(port: int) -> bool:
    """Whether a server could listen on it now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
