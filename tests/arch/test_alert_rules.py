"""The alert rules name metrics, labels and values that exist, and would fire on what they are for."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from services.common.domain.outcomes import OverdueCause
from services.common.observe import Observe
from services.common.observe.metrics import new_registry
from services.processor.admission import Admission
from services.processor.stuck import Finding
from services.store.observe import StoreMeters
from tests.unit.processor.support import stage

ROOT = Path(__file__).resolve().parents[2]
RULES = yaml.safe_load((ROOT / "k8s" / "monitoring" / "rules.yaml").read_text("utf-8"))
ALERTS: list[dict[str, Any]] = [rule for group in RULES["spec"]["groups"] for rule in group["rules"]]
WORDS = {"max", "min", "sum", "by", "increase", "rate"}
SELECTED = re.compile(r"([a-z_]+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'([a-z_]+)(=~|=)"([^"]*)"')
VALUES = {
    ("intents_stuck", "finding"): {one.value for one in Finding},
    ("intents_overdue", "cause"): {one.value for one in OverdueCause},
    ("processor_alerts_total", "outcome"): {
        "logged", "delivered", "failed", "repeated", "rate_limited", "queue_full",
    },
}  # fmt: skip


@pytest.fixture
async def shown(tmp_path: Path) -> dict[str, set[str]]:
    """Names of samples, with their labels, of a store and a processor."""
    store = Observe(service="store", registry=new_registry(process=False))
    StoreMeters(store, actions=("swap",))
    async with stage(tmp_path) as play, play.assembled() as made:
        Admission(None, made.resolver.observe)
        return _labels(store.registry) | _labels(made.resolver.observe.registry)


def _labels(registry: CollectorRegistry) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for collector, names in registry._collector_to_names.items():
        for name in names:
            found[name] = set(getattr(collector, "_labelnames", ()))
    return found


def selectors(expression: str) -> list[tuple[str, str]]:
    """(metric, matchers) of an expression."""
    grouped = re.sub(r"\bby \([a-z_, ]+\)", " ", expression)
    return [
        (name, text) for name, text in SELECTED.findall(re.sub(r"\[\d+m\]", "", grouped)) if name not in WORDS
    ]


def test_each_says_what_it_is_and_where_to_read_on() -> None:
    assert len({one["alert"] for one in ALERTS}) == len(ALERTS) >= 4
    for one in ALERTS:
        assert one["labels"]["severity"] in ("warning", "critical"), one["alert"]
        assert (ROOT / one["annotations"]["runbook"]).exists(), one["alert"]
        assert one["annotations"]["summary"], one["alert"]


async def test_p13_rules_name_metrics_labels_and_values_that_exist(shown: dict[str, set[str]]) -> None:
    for one in ALERTS:
        found = selectors(one["expr"])
        assert found, one["expr"]
        for metric, matchers in found:
            assert metric in shown, f"{one['alert']}: there is no {metric}"
            for label, how, value in MATCHER.findall(matchers):
                assert label in shown[metric], f"{one['alert']}: {metric} has no label {label}"
                known = VALUES[metric, label]
                named = set(value.split("|")) if how == "=~" else {value}
                assert named <= known, f"{one['alert']}: {label} is never {named - known}"
            for label in re.findall(r"by \(([a-z_]+)\)", one["expr"]):
                assert label in shown[metric], f"{one['alert']}: {metric} has no label {label}"


def test_p13_every_finding_that_needs_somebody_has_a_rule() -> None:
    said = {
        value
        for one in ALERTS
        for metric, matchers in selectors(one["expr"])
        if metric == "intents_stuck"
        for _, _, values in MATCHER.findall(matchers)
        for value in values.split("|")
    }
    assert said == {one.value for one in Finding} - {Finding.ENDED.value, Finding.WAIT.value}
    assert any(
        metric == "intents_overdue" and not matchers
        for one in ALERTS
        for metric, matchers in selectors(one["expr"])
    )


def test_what_is_shown_to_people_names_labels_of_the_rule() -> None:
    for one in ALERTS:
        for label in re.findall(r"\$labels\.([a-z_]+)", one["annotations"]["summary"]):
            assert f"by ({label})" in one["expr"], one["alert"]
