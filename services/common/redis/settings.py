"""Where Redis is and who we are there, as a service takes it from its environment."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.common.config import setting
from services.common.redis.address import Address, AddressError, parse

_FILE_LIMIT: Final = 4096


class SecretFileError(ValueError):
    """A file that should hold a password does not; the text names the file's kind of fault, never its content."""


@dataclass(frozen=True, kw_only=True)
class RedisSettings:
    """A part of a service's settings. Passwords come from the environment or a file, never from arguments."""

    redis_url: str | None = setting(
        None,
        secret=True,
        help="redis[s]://HOST:PORT/DB, redis[s]+sentinel://HOST:PORT,…/SERVICE/DB, redis[s]+cluster://HOST:PORT,… "
        "or unix://PATH, user:password@ before the hosts; without it a cache has its memory and an edge counts "
        "alone",
    )
    redis_username: str | None = setting(None, help="User at Redis (ACL), in place of one in REDIS_URL")
    redis_password: str | None = setting(
        None, secret=True, help="Password at Redis, in place of one in REDIS_URL"
    )
    redis_password_file: Path | None = setting(
        None, help="File with the password at Redis, read anew for each connection"
    )
    redis_ca_file: Path | None = setting(
        None, help="PEM file of the CAs that vouch for Redis over TLS; without it the system's"
    )
    redis_sentinel_password: str | None = setting(
        None, secret=True, help="Password at the Sentinels; without it they are asked without one"
    )
    redis_sentinel_password_file: Path | None = setting(
        None, help="File with the password at the Sentinels, read anew for each connection"
    )

    def redis_address(self) -> Address | None:
        """None without a URL. Raises AddressError."""
        return None if self.redis_url is None else parse(self.redis_url)

    def redis_complaint(self) -> str | None:
        """What is wrong with these settings, as one line without a secret; None if nothing."""
        try:
            address = self.redis_address()
        except AddressError as error:
            return f"REDIS_URL: {error}"
        if address is None:
            return None
        given = [
            bool(address.password),
            self.redis_password is not None,
            self.redis_password_file is not None,
        ]
        if sum(given) > 1:
            return "REDIS_PASSWORD: give one of it, REDIS_PASSWORD_FILE and a password in REDIS_URL"
        if self.redis_sentinel_password is not None and self.redis_sentinel_password_file is not None:
            return "REDIS_SENTINEL_PASSWORD: give it or REDIS_SENTINEL_PASSWORD_FILE"
        for name, file in (
            ("REDIS_PASSWORD_FILE", self.redis_password_file),
            ("REDIS_SENTINEL_PASSWORD_FILE", self.redis_sentinel_password_file),
        ):
            try:
                if file is not None:
                    read_secret(file)
            except SecretFileError as error:
                return f"{name}: {error}"
        if self.redis_ca_file is not None:
            if not address.tls:
                return "REDIS_CA_FILE: is for rediss://, rediss+sentinel:// and rediss+cluster:// only"
            try:
                ssl.create_default_context(cafile=str(self.redis_ca_file))
            except (OSError, ssl.SSLError):
                return "REDIS_CA_FILE: cannot be read as certificates in PEM"
        return None


def read_secret(file: Path) -> str:
    """The file's text without white space around it. Raises SecretFileError."""
    try:
        with file.open("rb") as opened:
            text = opened.read(_FILE_LIMIT + 1).decode("utf-8").strip()
    except OSError as error:
        raise SecretFileError(f"cannot be read ({error.strerror or type(error).__name__})") from None
    except UnicodeDecodeError:
        raise SecretFileError("is not text") from None
    if not text:
        raise SecretFileError("is empty")
    if len(text) > _FILE_LIMIT:
        raise SecretFileError(f"is longer than {_FILE_LIMIT} bytes")
    return text
