"""Takes a piece out of a module's source as it is loaded; no file is changed.

The piece must be there exactly once: a mutant whose protection has moved is an error, not a mutant that is caught.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

ROOT = Path(__file__).resolve().parent.parent.parent


def rewrite(module: str, *changes: tuple[str, str]) -> None:
    """`module` will be loaded with each (old, new) replaced. It must not have been imported yet."""
    if module in sys.modules:
        raise RuntimeError(
            f"{module} is imported already: its mutant would not be seen by whoever imported it"
        )
    path = ROOT / (module.replace(".", "/") + ".py")
    source = path.read_text(encoding="utf-8")
    for old, new in changes:
        if source.count(old) != 1:
            raise RuntimeError(f"{module} holds this {source.count(old)} times, not once:\n{old}")
        source = source.replace(old, new)
    sys.meta_path.insert(0, _Finder(module, path, source))


class _Finder(MetaPathFinder):
    def __init__(self, module: str, path: Path, source: str) -> None:
        self._module = module
        self._path = path
        self._source = source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        return spec_from_file_location(
            fullname, self._path, loader=_Loader(fullname, self._path, self._source)
        )


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: Path, source: str) -> None:
        super().__init__(fullname, str(path))
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec")
