"""A Write on a document in memory, as MongoDB does it on one of its own: the part of it that we use."""

from collections.abc import Mapping
from typing import Any

from services.store.ports import Document


def matches(document: Document, where: Mapping[str, Any]) -> bool:
    """Every path equals its value; None matches absent too."""
    return all(_at(document, path) == value for path, value in where.items())


def applied(document: Document, change: Mapping[str, Any], push: Mapping[str, Any]) -> Document:
    """The document with paths set and lists appended to; `document` itself stays as it is."""
    after = dict(document)
    for path, value in change.items():
        holder, name = _holder(after, path)
        holder[name] = value
    for path, value in push.items():
        holder, name = _holder(after, path)
        holder[name] = [*holder.get(name, ()), value]
    return after


def _at(document: Document, path: str) -> Any:
    if "." not in path:
        return document.get(path)
    found: Any = document
    for name in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found


def _holder(document: Document, path: str) -> tuple[Document, str]:
    """Where the path's last name is set: copied on the way, so that nobody else's is."""
    if "." not in path:
        return document, path
    *parents, name = path.split(".")
    for parent in parents:
        copy = dict(document.get(parent, ()))
        document[parent] = copy
        document = copy
    return document, name
