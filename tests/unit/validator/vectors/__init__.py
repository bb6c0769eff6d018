"""Facts that others published: known answers, each file with its source and licence. Read by `load`."""

import json
from pathlib import Path
from typing import Any


def load(name: str) -> Any:
    """The content of `name`.json here."""
    return json.loads(Path(__file__).with_name(f"{name}.json").read_text(encoding="utf-8"))
