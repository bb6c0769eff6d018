"""What users install: both wheels are complete, typed, and the client's brings no server part along."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import Distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
UV = Path(sys.executable).with_name("uv")
SERVER_PARTS = {"motor", "pymongo", "redis", "aiohttp", "python-socketio", "prometheus-client", "uvloop"}
SERVER_MODULES = {
    "motor",
    "pymongo",
    "redis",
    "aiohttp",
    "socketio",
    "prometheus_client",
    "uvloop",
    "services",
}

pytestmark = pytest.mark.xdist_group("wheels")


def _build(project: Path, folder: Path) -> Path:
    command: list[str | Path] = [
        UV,
        "build",
        "--quiet",
        "--offline",
        "--no-config",
        "--wheel",
        "--no-build-isolation",
    ]
    subprocess.run([*command, "--python", sys.executable, "--out-dir", folder, project], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def server_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(ROOT, tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def client_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(ROOT / "clients" / "python", tmp_path_factory.mktemp("client"))


def _names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def _install(wheel: Path, folder: Path) -> Path:
    """Python of a fresh venv with nothing but the wheel, and our third-party packages readable from where they are.

    Only packages are lent, not .pth files: what is imported of ours comes from the wheel.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    install = [UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel]
    subprocess.run(install, check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(
        f"{sysconfig.get_paths()['purelib']}\n{sysconfig.get_paths()['platlib']}\n"
    )
    return python


def _run(python: Path, code: str, cwd: Path) -> str:
    done = subprocess.run([python, "-I", "-c", code], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_servers_wheel_holds_services_stubs_and_client(server_wheel: Path) -> None:
    names = _names(server_wheel)
    assert {name.split("/")[0] for name in names} == {"services", "intents", "intents_client"}
    packages = {"services", "intents_client"} | {
        str(Path(name).parent) for name in names if name.endswith("_pb2.py")
    }
    assert {f"{package}/py.typed" for package in packages} <= names
    assert "intents/v1/intent_service_pb2_grpc.pyi" in names
    assert "intents/__init__.py" not in names


def test_the_servers_wheel_runs_on_its_own(server_wheel: Path, tmp_path: Path) -> None:
    python = _install(server_wheel, tmp_path / "venv")
    where = _run(
        python,
        "import services, intents_client, intents.store.v1.store_service_pb2_grpc as stubs\n"
        "print(services.__file__, intents_client.__file__, stubs.__file__, sep='\\n')",
        tmp_path,
    )
    assert all(path.startswith(str(tmp_path / "venv")) for path in where.splitlines()), where
    script = (tmp_path / "venv" / "bin" / "intents").read_text()
    assert "from services.cli.main import main" in script
    helped = subprocess.run(
        [python.with_name("intents"), "--help"], capture_output=True, text=True, cwd=tmp_path
    )
    assert helped.returncode == 0, helped.stderr
    assert "submit" in helped.stdout


def test_the_clients_wheel_holds_the_public_stubs_only(client_wheel: Path) -> None:
    names = _names(client_wheel)
    assert {name.split("/")[0] for name in names} == {"intents", "intents_client"}
    assert {
        name for name in names if name.startswith("intents/") and not name.startswith("intents/v1/")
    } == set()
    assert {"intents_client/py.typed", "intents/v1/py.typed"} <= names


def test_the_clients_wheel_asks_for_no_server_part(client_wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(client_wheel) as archive:
        archive.extractall(tmp_path)
    (info,) = tmp_path.glob("*.dist-info")
    required = Distribution.at(info).requires or []
    assert required
    assert not [line for line in required if line.split(">")[0].split("[")[0] in SERVER_PARTS]


def test_the_clients_wheel_imports_without_the_server(client_wheel: Path, tmp_path: Path) -> None:
    python = _install(client_wheel, tmp_path / "venv")
    seen = _run(
        python,
        "import sys, intents_client, intents.v1.intent_service_pb2_grpc as stubs\n"
        "print(intents_client.__file__, stubs.__file__, sep='\\n')\n"
        f"print(sorted({SERVER_MODULES} & {{name.split('.')[0] for name in sys.modules}}) or 'none', end='')",
        tmp_path,
    )
    client, stubs, extra = seen.splitlines()
    assert client.startswith(str(tmp_path))
    assert stubs.startswith(str(tmp_path))
    assert extra == "none"
