"""compose.yaml: what each container is told is what it can be told."""

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.arch.deployed import secret_names, settings_class, settings_from, target_of

ROOT: Final = Path(__file__).resolve().parents[2]
OWN: Final = ("edge", "validator", "cache", "store", "notifier", "processor", "devnet")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    return found


def env_of(service: dict[str, Any]) -> dict[str, str]:
    """As the container gets it; a variable of whoever starts it has some value."""
    return {
        name: re.sub(r"\$\{[^}]+\}", "given", str(value)) for name, value in service["environment"].items()
    }


@pytest.mark.parametrize("name", OWN)
def test_each_service_takes_its_environment(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["command"][:2] == ["-m", f"services.{name}"]
    settings = settings_from(settings_class(service["command"]), env_of(service))
    assert settings.host == "0.0.0.0"


def test_every_target_is_a_service_on_the_port_it_listens_on(compose: dict[str, Any]) -> None:
    services = compose["services"]
    ports = {name: int(env_of(services[name])["PORT"]) for name in OWN}
    ports |= {"mongodb": 27017, "redis": 6379}
    seen = set()
    for name in OWN:
        for value in env_of(services[name]).values():
            target = target_of(value)
            if target is not None:
                assert ports[target[0]] == target[1], f"{name}: {value}"
                seen.add((name, target[0]))
    assert seen == {
        ("edge", "validator"), ("edge", "cache"), ("edge", "store"), ("edge", "notifier"), ("edge", "redis"),
        ("validator", "cache"), ("cache", "store"), ("cache", "redis"), ("cache", "devnet"), ("store", "mongodb"),
        ("notifier", "store"), ("processor", "store"), ("processor", "validator"), ("processor", "devnet"),
    }  # fmt: skip


def test_no_secret_is_written_in_it(compose: dict[str, Any]) -> None:
    for name in (*OWN, "keys"):
        service = compose["services"][name]
        for secret in secret_names(settings_class(service["command"])) & service["environment"].keys():
            value = str(service["environment"][secret])
            assert value.startswith("${") or "@" not in value.partition("://")[2], f"{name}: {secret}"
            assert value.startswith("${") or "://" in value, f"{name}: {secret}"
    assert all("file" in secret for secret in compose["secrets"].values())


def test_only_the_edge_is_reached_from_outside_and_only_on_loopback(compose: dict[str, Any]) -> None:
    published = {
        name: service["ports"] for name, service in compose["services"].items() if "ports" in service
    }
    assert published.keys() == {"edge"}
    assert all(port.startswith("127.0.0.1:") for port in published["edge"])


def test_one_image_and_no_privileges(compose: dict[str, Any]) -> None:
    own = [compose["services"][name] for name in (*OWN, "keys")]
    assert {service["image"] for service in own} == {"intent-suite:0.1.0"}
    for service in own:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
