"""A file of faults that are in force from the start."""

import json
from pathlib import Path
from typing import Any

from services.common.config import SettingError
from services.devnet.faults.registry import Faults


class ScenarioError(SettingError):
    """The scenario file cannot be used; the text names the rule and what to write there."""


def _parse(path: Path, raw: bytes) -> Any:
    if path.suffix not in (".yaml", ".yml"):
        return json.loads(raw)
    try:
        import yaml
    except ImportError:
        raise ScenarioError(
            f"scenario file {path}: YAML needs the Python package pyyaml; install it, or write the file as JSON"
        ) from None
    try:
        return yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise ScenarioError(f"scenario file {path}: {error}") from None


def load_scenario(path: Path, faults: Faults) -> None:
    """Put `{faults: [rule, …]}` in force; JSON, or YAML by the name's ending. Raises ScenarioError."""
    try:
        found = _parse(path, path.read_bytes())
    except ScenarioError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise ScenarioError(f"scenario file {path}: {error}") from None
    if not isinstance(found, dict) or set(found) != {"faults"} or not isinstance(found["faults"], list):
        raise ScenarioError(f"scenario file {path}: an object with one list, faults, is needed")
    for number, rule in enumerate(found["faults"], 1):
        try:
            faults.add(rule)
        except ValueError as error:
            raise ScenarioError(f"scenario file {path}: rule {number}: {error}") from None
