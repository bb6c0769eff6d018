"""Settings: frozen dataclasses filled from the environment, self-describing, checked before anything starts.

A field is declared with `setting(...)`; its variable is the field's name in upper case. `load` answers
`--help` with the whole table and a bad value with one line and exit code 2.
"""

import dataclasses
import math
import os
import socket
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final, Literal, NoReturn, TypeVar, Union, get_args, get_origin

_KEY: Final = "setting"
_TRUE: Final = {"true": True, "1": True, "false": False, "0": False}
_PORT: Final = 65_535

T = TypeVar("T")


def setting(
    default: Any = MISSING,
    *,
    help: str,
    unit: str = "",
    env: str | None = None,
    secret: bool = False,
    choices: Sequence[str] = (),
    minimum: float | None = None,
    maximum: float | None = None,
    default_factory: Callable[[], Any] | None = None,
) -> Any:
    """A settings field. Without a default it is required; a `secret` value is never printed or put in repr."""
    meta = {_KEY: dict(help=help, unit=unit, env=env, secret=secret, choices=tuple(choices),
                       minimum=minimum, maximum=maximum)}  # fmt: skip
    if default_factory is not None:
        return dataclasses.field(
            default_factory=default_factory, metadata=meta, repr=not secret, kw_only=True
        )
    return dataclasses.field(default=default, metadata=meta, repr=not secret, kw_only=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingSpec:
    """One setting as tests, manifests and docs read it. `default` is None where `required`."""

    field: str
    name: str
    kind: Any
    required: bool
    default: Any
    unit: str
    help: str
    secret: bool
    choices: tuple[str, ...]
    minimum: float | None
    maximum: float | None

    def shown_default(self) -> str:
        """The default for people: "required", "-" for none, secrets hidden."""
        if self.required:
            return "required"
        if self.default is None or self.default == () or self.default == "":
            return "-"
        return "(hidden)" if self.secret else _text(self.default)


class SettingError(ValueError):
    """What a setting names cannot be used: `NAME: why`, in one line. Ends a process that starts with exit code 2."""


class _Bad(ValueError):
    """What is wrong with a value and what is allowed."""


def settings_of(cls: type) -> list[SettingSpec]:
    """Every setting of a settings class, inherited ones first, in order of declaration."""
    hints = typing.get_type_hints(cls)
    specs = []
    for field in dataclasses.fields(cls):
        meta = field.metadata[_KEY]
        factory = field.default_factory
        default = factory() if factory is not MISSING else field.default
        required = default is MISSING
        kind = hints[field.name]
        specs.append(
            SettingSpec(
                field=field.name,
                name=meta["env"] or field.name.upper(),
                kind=kind,
                required=required,
                default=None if required else default,
                unit=meta["unit"],
                help=meta["help"],
                secret=meta["secret"],
                choices=meta["choices"] or _choices(kind),
                minimum=meta["minimum"],
                maximum=meta["maximum"],
            )
        )
    return specs


def load(
    cls: type[T],
    *,
    prog: str,
    env: Mapping[str, str] | None = None,
    argv: Sequence[str] | None = None,
) -> T:
    """Settings from `env`. SystemExit(0) after `--help`, SystemExit(2) with one line on stderr for a bad one."""
    env = os.environ if env is None else env
    argv = sys.argv[1:] if argv is None else argv
    specs = settings_of(cls)
    if any(argument in ("--help", "-h") for argument in argv):
        print(help_text(cls, prog=prog))
        raise SystemExit(0)
    if argv:
        _refuse(prog, f"unknown argument {argv[0]!r}: settings come from the environment, see --help")
    values: dict[str, Any] = {}
    for spec in specs:
        raw = env.get(spec.name)
        if raw is None:
            if spec.required:
                _refuse(prog, f"{spec.name}: is required ({spec.help})")
            values[spec.field] = spec.default
            continue
        try:
            values[spec.field] = _parse(spec, raw)
        except _Bad as bad:
            _refuse(prog, f"{spec.name}: {bad}")
    settings = cls(**values)
    check = getattr(settings, "check", None)
    complaint = check() if check is not None else None
    if complaint:
        _refuse(prog, complaint)
    return settings


def help_text(cls: type, *, prog: str) -> str:
    """The table `--help` prints: setting, default, unit, meaning."""
    rows = [("SETTING", "DEFAULT", "UNIT", "MEANING")]
    for spec in settings_of(cls):
        meaning = spec.help + (f" ({' | '.join(spec.choices)})" if spec.choices else "")
        rows.append((spec.name, spec.shown_default(), spec.unit or "-", meaning))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
             for row in rows]  # fmt: skip
    return f"{prog}: settings are read from the environment\n\n" + "\n".join(lines)


def _refuse(prog: str, complaint: str) -> NoReturn:
    print(f"{prog}: {' '.join(complaint.split())}", file=sys.stderr)
    raise SystemExit(2)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value.value if isinstance(value, Enum) else value)


def _choices(kind: Any) -> tuple[str, ...]:
    kind, _ = _unwrap(kind)
    if get_origin(kind) is Literal:
        return tuple(map(str, get_args(kind)))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(member.value) for member in kind)
    return ()


def _unwrap(kind: Any) -> tuple[Any, bool]:
    """`X | None` -> (X, True)."""
    if get_origin(kind) in (Union, types.UnionType):
        inner = [part for part in get_args(kind) if part is not type(None)]
        return inner[0], True
    return kind, False


def _parse(spec: SettingSpec, raw: str) -> Any:
    kind, optional = _unwrap(spec.kind)
    raw = raw.strip()
    if raw == "" and optional:
        return None
    shown = "the value" if spec.secret else repr(raw if len(raw) <= 80 else raw[:77] + "...")
    if spec.choices:
        items = [part.strip() for part in raw.split(",")] if get_origin(kind) is tuple else [raw]
        if any(item not in spec.choices for item in items if item):
            raise _Bad(f"{shown} is not allowed; choose from {', '.join(spec.choices)}")
    if get_origin(kind) is tuple:
        return tuple(part.strip() for part in raw.split(",") if part.strip())
    if get_origin(kind) is Literal:
        return next(choice for choice in get_args(kind) if str(choice) == raw)
    if issubclass(kind, Enum):
        return kind(raw)
    if kind is bool:
        if raw.lower() not in _TRUE:
            raise _Bad(f"{shown} is not a switch; use true or false")
        return _TRUE[raw.lower()]
    if kind in (int, float):
        return _number(spec, kind, raw, shown)
    if kind is Path:
        if not raw:
            raise _Bad("is empty; a path is expected")
        return Path(raw)
    if kind is str:
        return raw
    raise TypeError(f"{spec.name}: unsupported type {kind!r}")


def _number(spec: SettingSpec, kind: type[int] | type[float], raw: str, shown: str) -> float:
    what = "a whole number" if kind is int else "a number"
    try:
        value = kind(raw)
    except ValueError:
        raise _Bad(f"{shown} is not {what}{_bounds(spec)}") from None
    if not math.isfinite(value):
        raise _Bad(f"{shown} is not {what}{_bounds(spec)}")
    if (spec.minimum is not None and value < spec.minimum) or (
        spec.maximum is not None and value > spec.maximum
    ):
        raise _Bad(f"{shown} is out of range{_bounds(spec)}")
    return value


def _bounds(spec: SettingSpec) -> str:
    unit = f" ({spec.unit})" if spec.unit else ""
    match spec.minimum, spec.maximum:
        case None, None:
            return f"; expected{unit}" if unit else ""
        case low, None:
            return f"; expected: at least {low:.15g}{unit}"
        case None, high:
            return f"; expected: at most {high:.15g}{unit}"
        case low, high:
            return f"; expected: {low:.15g} to {high:.15g}{unit}"


def default_instance() -> str:
    """hostname-pid."""
    return f"{socket.gethostname()}-{os.getpid()}"


def default_log_format() -> str:
    """Console for a person at a terminal, JSON for everything else."""
    return "console" if sys.stderr.isatty() else "json"


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """What every service takes. Subclasses override the port defaults and add their own."""

    log_format: Literal["json", "console"] = setting(
        default_factory=default_log_format, help="Form of log lines; console on a terminal, else json"
    )
    log_level: Literal["debug", "info", "warning", "error"] = setting("info", help="Least level logged")
    host: str = setting("127.0.0.1", help="Address the gRPC port binds to")
    port: int = setting(0, unit="port", minimum=0, maximum=_PORT, help="gRPC port; 0 takes a free one")
    admin_host: str = setting("127.0.0.1", help="Address the admin port binds to")
    admin_port: int = setting(
        0,
        unit="port",
        minimum=0,
        maximum=_PORT,
        help="Port of /metrics, /healthz, /readyz; 0 takes a free one",
    )
    ready_file: Path | None = setting(
        None, help="JSON {grpc, http, admin} with the addresses, written when ready"
    )
    drain_wait_ms: int = setting(
        0,
        unit="ms",
        minimum=0,
        maximum=600_000,
        help="Time between NOT_SERVING and stop, for balancers to notice",
    )
    drain_grace_ms: int = setting(
        5_000, unit="ms", minimum=0, maximum=600_000, help="Time running calls get to end after stop"
    )
    default_deadline_ms: int = setting(
        5_000, unit="ms", minimum=1, maximum=3_600_000, help="Deadline of a unary call whose client set none"
    )
    max_message_bytes: int = setting(
        1 << 20,
        unit="bytes",
        minimum=1_024,
        maximum=1 << 28,
        help="Largest request taken; answers may be 4 times it",
    )
    max_concurrent_rpcs: int = setting(
        1_000, unit="calls", minimum=1, help="Unary calls at once before OVERLOADED is answered"
    )
    max_concurrent_streams: int = setting(
        10_000, unit="streams", minimum=1, help="Streams at once before OVERLOADED is answered"
    )
    max_connection_age_ms: int = setting(
        0, unit="ms", minimum=0, help="Age at which a connection is asked to move on; 0 never"
    )
    max_connection_age_grace_ms: int = setting(
        30_000, unit="ms", minimum=0, help="Time calls on an aged connection get to end"
    )
    keepalive_ms: int = setting(
        30_000, unit="ms", minimum=1_000, help="Idle time before a connection is pinged"
    )
    otlp_endpoint: str | None = setting(
        None, help="OTLP gRPC receiver of traces, as http://host:port; nothing is exported without it"
    )
    trace_sample_ratio: float = setting(
        1.0, unit="share", minimum=0, maximum=1, help="Share of new traces that are recorded"
    )
    service_instance: str = setting(
        default_factory=default_instance, help="Name of this process in logs and traces; default hostname-pid"
    )
