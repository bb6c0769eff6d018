"""Whose address counts, and what of it."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

IPV6_PREFIX: Final = 64
"""Bits of an IPv6 address that name its owner: everyone holds at least a /64."""

Network = IPv4Network | IPv6Network


def networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """CIDRs or single addresses. Raises ValueError naming the bad one."""
    found = []
    for text in texts:
        try:
            found.append(ip_network(text, strict=False))
        except ValueError:
            raise ValueError(f"{text!r} is not an address or a network like 10.0.0.0/8") from None
    return tuple(found)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip().partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def subject(address: str) -> str:
    """The rate limit's key of an address: IPv4 as it is, IPv6 its /64; other text (a socket's path) unchanged."""
    parsed = _parse(address)
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, IPV6_PREFIX), strict=False))
    return str(parsed) if parsed is not None else address[:64]


@lru_cache(1_024)
def _peer_subject(peer: str) -> str:
    return subject(peer)


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The client's address: `peer`, unless it is a trusted proxy; then the last of the X-Forwarded-For
    addresses (all headers, in order) that is no trusted proxy itself. What a client wrote further left is
    never believed."""
    if not forwarded or not trusted:
        return _peer_subject(peer)
    hops = [hop for header in forwarded for hop in header.split(",")]
    address = peer
    while True:
        parsed = _parse(address)
        if parsed is None or not any(parsed in network for network in trusted) or not hops:
            return subject(address)
        hop = hops.pop()
        if _parse(hop) is None:
            return subject(address)
        address = hop.strip()


def grpc_peer(peer: str) -> str:
    """grpc's `ipv4:1.2.3.4:56`, `ipv6:%5B::1%5D:56`, `unix:…` -> the address alone."""
    kind, _, rest = peer.partition(":")
    if kind == "ipv4":
        return rest.rpartition(":")[0]
    if kind == "ipv6":
        return rest.rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip("[]")
    return peer
