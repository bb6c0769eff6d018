"""Renews the hashed requirements (`make lock`): exact versions for Linux and macOS, no index's name in the files.

Versions already locked stay unless named: `make lock UPGRADE="redis aiohttp"`.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = [
    "--quiet", "--universal", "--python-version=3.11", "--generate-hashes",
    "--no-annotate", "--no-header",
]  # fmt: skip
FILES = [
    ["requirements-uv.in", "--output-file=requirements-uv.txt"],
    ["pyproject.toml", "--group=build", "--output-file=requirements.txt"],
    ["pyproject.toml", "--group=dev", "--constraint=requirements.txt", "--output-file=requirements-dev.txt"],
    ["requirements-secantus.in", "--output-file=requirements-secantus.txt"],
]


def main(upgrade: list[str]) -> None:
    uv = Path(sys.executable).with_name("uv")
    for arguments in FILES:
        named = [f"--upgrade-package={name}" for name in upgrade]
        subprocess.run([uv, "pip", "compile", *OPTIONS, *arguments, *named], cwd=ROOT, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
