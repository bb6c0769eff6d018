"""Writes docs/settings.md: every setting of every service, as its `--help` shows it.

`python -m tools.settings_doc` writes the file, `--check` only says whether it is current (exit code 1: it is not).
"""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from services.cache.config import CacheSettings
from services.common.config import ServiceSettings, SettingSpec, settings_of
from services.devnet.config import Settings as DevnetSettings
from services.edge.config import Settings as EdgeSettings
from services.embedded.config import EmbeddedSettings
from services.notifier.config import NotifierSettings
from services.processor.config import ProcessorSettings
from services.store.config import StoreSettings
from services.validator.config import ValidatorSettings

TARGET: Final = Path(__file__).resolve().parent.parent / "docs" / "settings.md"
SERVICES: Final[Mapping[str, type[ServiceSettings]]] = {
    "edge": EdgeSettings,
    "validator": ValidatorSettings,
    "cache": CacheSettings,
    "store": StoreSettings,
    "notifier": NotifierSettings,
    "processor": ProcessorSettings,
    "devnet": DevnetSettings,
}
HEAD: Final = """\
# Settings

<!-- Written by `python -m tools.settings_doc`, from what `--help` prints; a test says when it is not current. -->

Settings are environment variables. `python -m services.<name> --help` prints the table of that service; a setting that
cannot be used ends the process with one line that names it and exit code 2. Lists are separated by commas, switches
are `true` or `false`. Where a name is in the table of several services, each process reads its own.
"""


def document() -> str:
    """The whole file."""
    shared = {spec.name: spec for spec in settings_of(ServiceSettings)}
    parts = [
        HEAD,
        section("Every service", ServiceSettings, list(shared.values()), skip=("PORT", "ADMIN_PORT")),
    ]
    for name, cls in SERVICES.items():
        own = [spec for spec in settings_of(cls) if not _same(spec, shared.get(spec.name))]
        parts.append(section(name, cls, own))
    of_edge = {spec.name: spec for spec in settings_of(EdgeSettings)}
    own = [spec for spec in settings_of(EmbeddedSettings) if not _same(spec, of_edge.get(spec.name))]
    parts.append(section("embedded (`make run`)", EmbeddedSettings, own))
    parts.append(
        "Beside these it takes the settings of the edge, and what decides in the other services (the validator's "
        "rules,\nthe cache's, the notifier's, the processor's and devnet's), but none of their addresses: nothing of "
        "them listens.\n"
    )
    return "\n".join(parts)


def section(title: str, cls: type, specs: Sequence[SettingSpec], *, skip: Sequence[str] = ()) -> str:
    """One table."""
    of_machine = {
        field.name for field in dataclasses.fields(cls) if field.default_factory is not dataclasses.MISSING
    }
    rows = ["| setting | default | unit | meaning |", "|---|---|---|---|"]
    for spec in specs:
        if spec.name in skip:
            continue
        default = "-" if spec.field in of_machine else spec.shown_default()
        meaning = spec.help + (f" ({', '.join(spec.choices)})" if spec.choices else "")
        cells = (
            f"`{spec.name}`",
            default if default in ("-", "required", "(hidden)") else f"`{default}`",
            spec.unit or "-",
            "; ".join(filter(None, (meaning, _within(spec)))),
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return f"## {title}\n\n" + "\n".join(rows) + "\n"


def _same(spec: SettingSpec, other: SettingSpec | None) -> bool:
    return other is not None and spec.help == other.help and (
        spec.default == other.default or spec.field in ("service_instance", "log_format")
    )  # fmt: skip


def _within(spec: SettingSpec) -> str:
    match spec.minimum, spec.maximum:
        case None, None:
            return ""
        case low, None:
            return f"at least {low:.15g}"
        case None, high:
            return f"at most {high:.15g}"
        case low, high:
            return "" if (low, high) == (0, 65_535) else f"{low:.15g} to {high:.15g}"


def main(argv: Sequence[str]) -> int:
    """The exit code."""
    made = document()
    if argv == ["--check"]:
        current = TARGET.is_file() and TARGET.read_text("utf-8") == made
        if not current:
            print(f"{TARGET.name} is not current: python -m tools.settings_doc writes it", file=sys.stderr)
        return int(not current)
    if argv:
        print("usage: python -m tools.settings_doc [--check]", file=sys.stderr)
        return 2
    TARGET.write_text(made, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
