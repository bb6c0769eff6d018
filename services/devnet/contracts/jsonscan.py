"""JSON passed over value by value, unread: no depth is too much, as for serde_json where it ignores a value."""

import re
from collections.abc import Iterator
from typing import Final

_TOKEN: Final = re.compile(
    r"""[ \t\n\r]*(
        "(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*"
        | -?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?
        | true | false | null | [\[\]{},:]
    )""",
    re.VERBOSE,
)
_SPACE: Final = re.compile(r"[ \t\n\r]*")


def token(text: str, at: int) -> tuple[str, int]:
    """The one that begins at `at` or after spaces there, and where it ends. Raises ValueError if there is none."""
    match = _TOKEN.match(text, at)
    if match is None:
        raise ValueError(f"no JSON at character {at}")
    return match[1], match.end()


def skip(text: str, at: int) -> int:
    """Where the value that begins at `at` ends. Raises ValueError."""
    closers: list[str] = []
    wanted = "value"
    while True:
        found, at = token(text, at)
        if wanted == "colon":
            _expect(found == ":", at)
            wanted = "value"
            continue
        if wanted in ("key", "first key") and found[0] == '"':
            wanted = "colon"
            continue
        if wanted == "more" and found == ",":
            wanted = "value" if closers[-1] == "]" else "key"
            continue
        if wanted in ("more", "first value", "first key") and found == closers[-1]:
            closers.pop()
        else:
            _expect(wanted in ("value", "first value") and found not in ("]", "}", ",", ":"), at)
            if found in ("[", "{"):
                closers.append("]" if found == "[" else "}")
                wanted = "first value" if found == "[" else "first key"
                continue
        if not closers:
            return at
        wanted = "more"


def parts(text: str) -> Iterator[tuple[str | None, str]]:
    """The members of the one object that `text` is, or the items of its one list: (name as it is written, or None;
    value as it is written). Raises ValueError for what is no JSON, and for any other value."""
    opener, at = token(text, 0)
    _expect(opener in ("[", "{"), at)
    closer = "]" if opener == "[" else "}"
    found, after = token(text, at)
    while found != closer:
        name = None
        if opener == "{":
            _expect(found[0] == '"', after)
            name, (colon, at) = found, token(text, after)
            _expect(colon == ":", at)
        start, at = at, skip(text, at)
        yield name, text[start:at]
        found, after = token(text, at)
        if found == ",":
            at = after
            found, after = token(text, at)
            _expect(found != closer, at)
        else:
            _expect(found == closer, at)
    rest = _SPACE.fullmatch(text, after)
    _expect(rest is not None, after)


def _expect(holds: bool, at: int) -> None:
    if not holds:
        raise ValueError(f"no JSON at character {at}")
