"""Files that outlive a power cut, with checksums beside them that `sha256sum -c` reads."""

import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

SUM: Final = ".sha256"


def sum_line(digest: str, name: str) -> bytes:
    """As sha256sum writes it."""
    return f"{digest}  {name}\n".encode()


def digest_of(path: Path) -> str:
    """sha256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def differs(path: Path) -> str | None:
    """What is wrong with a file, judged by the checksum beside it; None if nothing."""
    beside = path.with_name(path.name + SUM)
    try:
        told = beside.read_text("ascii").split()
    except (FileNotFoundError, UnicodeDecodeError):
        return f"{beside.name} beside it is missing or no checksum"
    return None if told == [digest_of(path), path.name] else f"its checksum is not the one in {beside.name}"


def write_durably(target: Path, data: bytes) -> None:
    """Under a name of its own first; what has the target's name is whole. The folder is not synced."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, target)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def sync_folder(folder: Path) -> None:
    """Names in it outlive a power cut from here on."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def sync_file(path: Path) -> None:
    """What is in it is on the disk."""
    opened = os.open(path, os.O_RDWR)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
