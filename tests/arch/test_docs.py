"""What the documents say of files, commands and settings is there."""

import ast
import re
from pathlib import Path

import pytest

from tools import rules_doc, settings_doc

ROOT = Path(__file__).resolve().parent.parent.parent
SERVICES = ("edge", "validator", "cache", "store", "notifier", "processor", "devnet")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
FILE = re.compile(r"`((?:[\w.]+/)*[\w.]+\.py|(?:[\w.]+/)+)`")


def documents() -> list[Path]:
    return [
        *ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("k8s/**/*.md"), ROOT / "clients/python/README.md"
    ]  # fmt: skip


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in documents()
        for target in LINK.findall(document.read_text("utf-8"))
        if "://" not in target and not (document.parent / target).exists()
    ]
    assert not broken


def test_every_file_that_readme_names_is_there() -> None:
    named = [name for name in FILE.findall((ROOT / "README.md").read_text("utf-8")) if "/" in name]
    assert len(named) > 5
    assert not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_in_which_order_to_read_it(service: str) -> None:
    folder = ROOT / "services" / service
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
    named = FILE.findall(said)
    assert len(named) >= 3, "name the files in the order data flows"
    assert not [name for name in named if not (folder / name).exists()]


def test_settings_are_listed_as_they_are() -> None:
    shown = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert shown == settings_doc.document(), "python -m tools.settings_doc writes it"


def test_rules_are_listed_as_they_are() -> None:
    shown = (ROOT / "docs" / "rules.md").read_text("utf-8")
    assert shown == rules_doc.document(), "python -m tools.rules_doc writes it"


def test_every_make_target_and_module_named_is_there() -> None:
    texts = "\n".join(document.read_text("utf-8") for document in documents())
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert not set(re.findall(r"`make ([a-z-]+)", texts)) - targets
    modules = set(re.findall(r"python -m ((?:services|tools|tests|bench)[\w.]*)", texts)) - {"services."}
    assert not [
        m
        for m in modules
        if not any((ROOT / m.replace(".", "/")).with_suffix(e).exists() for e in (".py", ""))
    ]
