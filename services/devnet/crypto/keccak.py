"""Keccak-256 as Ethereum uses it: Keccak's own padding, not SHA-3's. Source: the Keccak reference, version 3.0."""

from typing import Final

_RATE: Final = 136
"""Bytes taken in at once; the capacity is 512 bits."""
_LANE: Final = (1 << 64) - 1


def _round_constants() -> list[int]:
    """By the LFSR x⁸ + x⁶ + x⁵ + x⁴ + 1 of the reference."""
    found, state = [], 1
    for _ in range(24):
        constant = 0
        for power in range(7):
            if state & 1:
                constant |= 1 << ((1 << power) - 1)
            state = (state << 1) ^ (0x171 if state & 0x80 else 0)
        found.append(constant)
    return found


def _walk() -> list[tuple[int, int, int]]:
    """(from, to, rotation) of ρ and π for lanes x + 5y, in the order that π visits them."""
    steps, x, y = [], 1, 0
    for number in range(24):
        after = (y, (2 * x + 3 * y) % 5)
        steps.append((x + 5 * y, after[0] + 5 * after[1], (number + 1) * (number + 2) // 2 % 64))
        x, y = after
    return steps


_CONSTANTS: Final = _round_constants()
_WALK: Final = _walk()


def _permute(lanes: list[int]) -> None:
    for constant in _CONSTANTS:
        sums = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        for x in range(5):
            after = sums[(x + 1) % 5]
            theta = sums[(x + 4) % 5] ^ ((after << 1 | after >> 63) & _LANE)
            for y in range(0, 25, 5):
                lanes[x + y] ^= theta
        moved = lanes[:]
        for source, target, turn in _WALK:
            lane = lanes[source]
            moved[target] = (lane << turn | lane >> (64 - turn)) & _LANE
        for y in range(0, 25, 5):
            row = moved[y : y + 5]
            for x in range(5):
                lanes[x + y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5])
        lanes[0] ^= constant


def keccak256(data: bytes) -> bytes:
    """32 bytes."""
    padded = bytearray(data)
    padded.extend(bytes(_RATE - len(data) % _RATE))
    padded[len(data)] ^= 0x01
    padded[-1] ^= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), _RATE):
        for lane in range(_RATE // 8):
            at = start + 8 * lane
            lanes[lane] ^= int.from_bytes(padded[at : at + 8], "little")
        _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])
