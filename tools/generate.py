"""Writes the typed Python stubs of protos/ into gen/python (`make generate`). Needs no network.

`intents` stays a namespace package, so that the server's wheel and the client's, which share `intents.v1`, and a
stranger's `intents.*` can be installed side by side; every folder with stubs in it is a typed package.

usage: python -m tools.generate [--googleapis-only]
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOOGLEAPIS = ROOT / "gen" / "googleapis"
PYTHON = ROOT / "gen" / "python"


def lay_out_googleapis() -> None:
    """buf reads modules, not wheels: give it the google/rpc protos of the installed package as one."""
    spec = importlib.util.find_spec("google.rpc")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("google.rpc is not installed: run `make setup`")
    source = Path(next(iter(spec.submodule_search_locations)))
    target = GOOGLEAPIS / "google" / "rpc"
    shutil.rmtree(GOOGLEAPIS, ignore_errors=True)
    target.mkdir(parents=True)
    for proto in sorted(source.glob("*.proto")):
        (target / proto.name).write_bytes(proto.read_bytes())


def generate() -> None:
    tools = str(Path(sys.executable).parent)
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(["buf", "generate"], cwd=ROOT, env=environment)
    if done.returncode != 0:
        raise SystemExit(done.returncode)
    for folder in {stub.parent for stub in PYTHON.rglob("*_pb2.py")}:
        (folder / "__init__.py").touch()
        (folder / "py.typed").touch()


if __name__ == "__main__":
    lay_out_googleapis()
    if "--googleapis-only" not in sys.argv[1:]:
        generate()
