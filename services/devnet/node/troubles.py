"""What may go wrong on chain by order of a test."""

from enum import Enum
from typing import Final, Protocol

from services.devnet.node.transaction import SignedTransaction

OUT_OF_GAS: Final = "Exceeded the prepaid gas."
"""nearcore's text for a call that needs more gas than it was given."""


class Fate(Enum):
    """What becomes of the transactions of blocks that vanish."""

    AGAIN = "again"
    """They are in the blocks that come instead."""
    LATER = "later"
    """They wait in the pool for the blocks after those."""
    LOST = "lost"
    """They are gone until they are sent again."""


class Troubles(Protocol):
    """Asked at each occasion; every answer but the plain one uses a fault up."""

    @property
    def quiet(self) -> bool:
        """No fault is in force: nothing need be asked."""
        ...

    def reorg(self) -> tuple[int, Fate] | None:
        """How many of the newest blocks give way to others before the next one is made."""
        ...

    def skipped(self) -> int:
        """Heights that the next block passes over."""
        ...

    def expires(self, tx: SignedTransaction) -> bool:
        """Whether the block hash of a pooled transaction is too old as a block takes it up."""
        ...

    def nonce_jump(self, tx: SignedTransaction) -> int:
        """By how much the nonce of the transaction's key goes beyond it, less one; 0 leaves it."""
        ...

    def held(self, signer: str, receiver: str, method: str, args: bytes) -> int:
        """Blocks that a call's receipt waits before it runs."""
        ...

    def fails(self, signer: str, receiver: str, method: str, args: bytes) -> str | None:
        """The text a call fails with: OUT_OF_GAS, or that of a panic; None runs it."""
        ...


class NoTroubles:
    """A healthy chain."""

    quiet = True

    def reorg(self) -> tuple[int, Fate] | None:
        return None

    def skipped(self) -> int:
        return 0

    def expires(self, tx: SignedTransaction) -> bool:
        return False

    def nonce_jump(self, tx: SignedTransaction) -> int:
        return 0

    def held(self, signer: str, receiver: str, method: str, args: bytes) -> int:
        return 0

    def fails(self, signer: str, receiver: str, method: str, args: bytes) -> str | None:
        return None
