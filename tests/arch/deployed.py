"""Containers as they are deployed, against the settings of what runs in them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.cache.config import CacheSettings
from services.common.config import ServiceSettings, load, settings_of
from services.devnet.config import Settings as DevnetSettings
from services.edge.config import Settings as EdgeSettings
from services.notifier.config import NotifierSettings
from services.processor.config import ProcessorSettings
from services.store.config import StoreSettings
from services.validator.config import ValidatorSettings

SETTINGS: Final[Mapping[str, type[ServiceSettings]]] = {
    "services.edge": EdgeSettings,
    "services.validator": ValidatorSettings,
    "services.cache": CacheSettings,
    "services.store": StoreSettings,
    "services.notifier": NotifierSettings,
    "services.processor": ProcessorSettings,
    "services.devnet": DevnetSettings,
}
"""What may be run as `-m <module>`."""


def settings_class(arguments: Sequence[str]) -> type[ServiceSettings]:
    """Of a container whose arguments are `-m services.<name> …`."""
    assert arguments[0] == "-m", arguments
    return SETTINGS[arguments[1]]


def settings_from(cls: type[ServiceSettings], env: Mapping[str, str]) -> Any:
    """As the process would read them. Fails for a name it does not have, a value it refuses, one it lacks."""
    names = {spec.name for spec in settings_of(cls)}
    unknown = env.keys() - names
    assert not unknown, f"{cls.__module__} has no {', '.join(sorted(unknown))}"
    try:
        return load(cls, prog=cls.__module__, env=env, argv=[])
    except SystemExit:
        raise AssertionError(f"{cls.__module__} refuses these settings; see the line on stderr") from None


def secret_names(cls: type[ServiceSettings]) -> set[str]:
    """Settings whose value nobody may read in a manifest."""
    return {spec.name for spec in settings_of(cls) if spec.secret}


def target_of(value: str) -> tuple[str, int] | None:
    """(host, port) of `dns:///host:port` or `scheme://host:port/…`; None for anything else."""
    found = re.fullmatch(r"(?:dns:///|[a-z]+://)([a-z0-9.-]+):(\d+)(?:/.*)?", value)
    return None if found is None else (found[1], int(found[2]))
