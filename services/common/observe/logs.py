"""One line per event, JSON for machines or readable for people, with trace and intent ids, secrets removed."""

import json
import logging
import re
import sys
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson

from services.common.observe import trace

intent_id: ContextVar[str] = ContextVar("intent_id", default="")
"""Id of the intent being worked on; every line logged meanwhile carries it."""

REDACTED: Final = "[redacted]"
_SECRET_KEY: Final = re.compile(
    r"secret|private[_-]?key|signing[_-]?key|seed[_-]?phrase|authorization|passw(or)?d|api[_-]?key|cookie|bearer"
    r"|^tokens?[_-]?(hash|value)?$|(access|auth|refresh|session)[_-]?token",
    re.IGNORECASE,
)
_SECRET_TEXT: Final = re.compile(
    r"(\b(?:secret|private_key|password|authorization|api[_-]?key)\\?[\"']?\s*[=:]\s*\\?[\"']?)"
    r"(?:(?:bearer|basic)\s+)?[^\s\"',}\\]+"
    r"|\b((?:bearer|basic)\s+)[\w.~+/=-]{6,}"  # credentials of a header
    r"|(://[^/\s:@\"]*:)[^/\s@\"]+(?=@)",  # user:password@host
    re.IGNORECASE,
)
_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_QUIET: Final = {"aiohttp.access": "warning", "asyncio": "warning", "engineio": "warning", "socketio": "warning",
                 "pymongo": "warning", "opentelemetry": "error", "grpc": "warning"}  # fmt: skip


def configure(
    format: str, level: str, service: str, instance: str, *, stream: TextIO | None = None
) -> logging.Handler:
    """Send all logging of the process to `stream` (stderr) as `json` or `console`; replaces what was there."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(Json(service, instance) if format == "json" else Console(service))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(_LEVELS[level])
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(_LEVELS[least], _LEVELS[level]))
    logging.captureWarnings(True)
    return handler


def event(
    logger: logging.Logger, level: int, name: str, /, *, exc_info: BaseException | None = None, **fields: Any
) -> None:
    """Log the event `name` with `fields`; costs next to nothing when the level is off."""
    if logger.isEnabledFor(level):
        logger.log(level, name, exc_info=exc_info, extra={"fields": fields}, stacklevel=2)


def redacted(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`fields` with the values of secret-sounding keys replaced, at any depth."""
    return {key: REDACTED if _SECRET_KEY.search(key) else _clean(value) for key, value in fields.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return redacted({str(key): inner for key, inner in value.items()})
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return value


def scrub(text: str) -> str:
    """`text` without the credentials of headers and URLs."""
    return _SECRET_TEXT.sub(lambda match: "".join(group or "" for group in match.groups()) + REDACTED, text)


class Json(logging.Formatter):
    """Keys in fixed order: ts, level, service, instance, logger, event, ids, then the event's own fields."""

    def __init__(self, service: str, instance: str) -> None:
        super().__init__()
        self._service = service
        self._instance = instance

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": _timestamp(record),
            "level": record.levelname.lower(),
            "service": self._service,
            "instance": self._instance,
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update(_ids())
        fields = redacted(record.__dict__.get("fields", {}))
        line.update((f"field_{key}" if key in line else key, value) for key, value in fields.items())
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = record.exc_info[0].__qualname__
            line["stack"] = _stack(record)
        return scrub(_dumps(line))


class Console(logging.Formatter):
    """`12:00:00.000 info  service event key=value …`, the stack below."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        fields = {**redacted(record.__dict__.get("fields", {}))}
        shown = "".join(f" {key}={_shown(value)}" for key, value in {**fields, **_ids(short=True)}.items())
        line = f"{_timestamp(record)[11:23]} {record.levelname.lower():<7} {self._service} {record.getMessage()}{shown}"
        if record.exc_info and record.exc_info[0] is not None:
            line += "\n" + _stack(record)
        return scrub(line)


def _ids(*, short: bool = False) -> dict[str, str]:
    ids: dict[str, str] = {}
    context = trace.current()
    if context is not None and context.is_valid:
        trace_id = f"{context.trace_id:032x}"
        ids["trace_id"] = trace_id[:8] if short else trace_id
        if not short:
            ids["span_id"] = f"{context.span_id:016x}"
    intent = intent_id.get()
    if intent:
        ids["intent_id"] = intent
    return ids


def _dumps(line: dict[str, Any]) -> str:
    try:
        return orjson.dumps(line, default=str).decode()
    except TypeError:
        # integers above 64 bits and lone surrogates
        return json.dumps(line, default=str)


def _timestamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _shown(value: Any) -> str:
    text = str(value)
    return repr(text) if not text or any(character.isspace() for character in text) else text


def _stack(record: logging.LogRecord) -> str:
    assert record.exc_info is not None
    return "".join(traceback.format_exception(*record.exc_info)).rstrip()
