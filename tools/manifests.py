"""Renders every kustomization under k8s/ that is meant to be applied and checks it (`make manifests`), offline.

usage: python -m tools.manifests [--print FOLDER]
"""

import contextlib
import json
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
KUSTOMIZE = ROOT / ".tools" / "bin" / "kustomize"
KUBECONFORM = ROOT / ".tools" / "bin" / "kubeconform"
SCHEMAS = ROOT / ".cache" / "kubernetes-schemas"
KUBERNETES_VERSIONS = ("1.34.0", "1.37.0")
"""The oldest and the newest release that the manifests are promised for."""


def targets() -> list[Path]:
    """k8s/base and each overlay; components are part of overlays, not applied alone."""
    return sorted(
        [*ROOT.glob("k8s/base/kustomization.yaml"), *ROOT.glob("k8s/overlays/*/kustomization.yaml")]
    )


def render(folder: Path) -> str:
    """YAML documents of one kustomization. CalledProcessError if kustomize refuses it; its words are on stderr."""
    done = subprocess.run([KUSTOMIZE, "build", folder], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def check(rendered: str, version: str) -> bool:
    """Whether every object is of a known kind and has only fields that its schema has."""
    location = f"{schemas(version)}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    command: list[str | Path] = [
        KUBECONFORM,
        "-strict",
        "-summary",
        "-kubernetes-version",
        version,
        "-schema-location",
        location,
    ]
    return subprocess.run(command, input=rendered, text=True).returncode == 0


def schemas(version: str) -> Path:
    """Folder of one release's strict schemas, made once from the wheel kubernetes-validate.

    The wheel's own files name each other by an address on the web; kubeconform, which has to do without, finds them
    only if they name their neighbours.
    """
    target = SCHEMAS / f"v{version}"
    if target.exists():
        return target
    spec = find_spec("kubernetes_validate")
    if spec is None or spec.origin is None:
        raise SystemExit("kubernetes-validate is not installed: make setup")
    source = Path(spec.origin).parent / "kubernetes-json-schema" / f"v{version}-local-strict"
    SCHEMAS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCHEMAS) as folder:
        made = Path(folder) / "made"
        made.mkdir()
        for path in source.glob("*.json"):
            schema = json.loads(path.read_text().replace('"/api/_definitions.json', '"_definitions.json'))
            schema.pop("$id", None)
            (made / path.name).write_text(json.dumps(schema))
        with contextlib.suppress(OSError):  # another process was faster
            made.rename(target)
    return target


def main(arguments: list[str]) -> int:
    if not (KUSTOMIZE.exists() and KUBECONFORM.exists()):
        print("kustomize and kubeconform are not there: install Go, then make setup", file=sys.stderr)
        return 1
    if arguments[:1] == ["--print"]:
        print(render(Path(arguments[1])), end="")
        return 0
    folders = [path.parent for path in targets()]
    if not folders:
        print("no kustomization found under k8s/", file=sys.stderr)
        return 1
    good = True
    for folder in folders:
        rendered = render(folder)
        for version in KUBERNETES_VERSIONS:
            print(f"{folder.relative_to(ROOT)} for Kubernetes {version}: ", end="", flush=True)
            good = check(rendered, version) and good
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
