"""A Write on a document in memory, as MongoDB does it on one of its own: the part of it that we use."""

from collections.abc import Mapping
from typing import Any

from services.store.ports import Document


def matches(document: Document, where: Mapping[str, Any]) -> bool:
    """Every path equals its value; None matches absent too."""
    return all(_at(document, path) == value for path, value in where.items())


def apply(document: Document, change: Mapping[str, Any], push: Mapping[str, Any]) -> None:
    """Set paths, append to lists, in place."""
    for path, value in change.items():
        holder, name = _holder(document, path)
        holder[name] = value
    for path, value in push.items():
        holder, name = _holder(document, path)
        holder.setdefault(name, []).append(value)


def _at(document: Document, path: str) -> Any:
    found: Any = document
    for name in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found


def _holder(document: Document, path: str) -> tuple[Document, str]:
    *parents, name = path.split(".")
    for parent in parents:
        document = document.setdefault(parent, {})
    return document, name
