"""Settings that are secrets: from the environment, or from a file beside which nobody else can read them."""

from pathlib import Path
from typing import Final

from services.common.config import SettingError

MAX_SECRET: Final = 8_192
"""Bytes of a file that holds one."""


def secret_of(name: str, value: str | None, path: Path | None) -> str | None:
    """The secret of the setting `name`, else of the file that `name`_FILE names; None where neither is set.

    One line, without what surrounds it. Raises SettingError, which never shows the secret.
    """
    if value is not None and path is not None:
        raise SettingError(f"{name}: is set, and {name}_FILE too; choose one")
    where = name
    if path is not None:
        where = f"{name}_FILE: {path}"
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_SECRET + 1)
            value = raw.decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = (error.strerror or "cannot be read") if isinstance(error, OSError) else "not UTF-8 text"
            raise SettingError(f"{where}: {why}") from None
    if value is None:
        return None
    value = value.strip()
    if not value or len(value) > MAX_SECRET or not value.isascii() or not value.isprintable():
        raise SettingError(f"{where}: one line of visible ASCII characters is expected")
    return value
