"""Reading borsh: little-endian numbers, u32-counted strings and vectors. Every fault is a BorshError."""


class BorshError(ValueError):
    """The bytes do not spell the type that was asked for."""


class Reader:
    """Reads one value after the other and never past the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def peek(self, count: int) -> bytes:
        """The next `count` bytes, or fewer at the end, without taking them."""
        return self._data[self._at : self._at + count]

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise BorshError("unexpected end of input")
        chunk = self._data[self._at : end]
        self._at = end
        return chunk

    def unsigned(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def u8(self) -> int:
        return self.unsigned(1)

    def u32(self) -> int:
        return self.unsigned(4)

    def u64(self) -> int:
        return self.unsigned(8)

    def u128(self) -> int:
        return self.unsigned(16)

    def blob(self) -> bytes:
        return self.take(self.u32())

    def string(self) -> str:
        try:
            return self.blob().decode()
        except UnicodeDecodeError:
            raise BorshError("a string is not UTF-8") from None

    def option(self) -> bool:
        """Whether a value follows."""
        flag = self.u8()
        if flag > 1:
            raise BorshError("an option is neither 0 nor 1")
        return flag == 1

    def end(self) -> None:
        """Raises BorshError if bytes are left."""
        if self._at != len(self._data):
            raise BorshError("bytes left over after the value")
