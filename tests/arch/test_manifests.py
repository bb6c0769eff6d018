"""The rendered Kubernetes objects: environments, ports, ways, drains, privileges."""

import importlib
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from services.common.rpc.runtime import EXIT_SLACK
from services.validator.registry import DEFAULT_TOKENS, read_registry
from tests.arch.deployed import secret_names, settings_class, settings_from, target_of
from tools.manifests import KUSTOMIZE, render

ROOT: Final = Path(__file__).resolve().parents[2]
SERVICES: Final = ("edge", "validator", "cache", "store", "notifier", "processor")
OWN: Final = (*SERVICES, "devnet", "migrate")
WORKLOADS: Final = {"Deployment", "StatefulSet", "Job"}
GIVEN: Final = {"REDIS_URL": "redis://redis:6379/0", "DATABASE_URL": "mongodb://mongodb:27017/intents"}
"""What the README beside the overlay puts into the secrets; any other text stands for itself."""

ARROWS: Final = {
    ("edge", "validator"), ("edge", "cache"), ("edge", "store"), ("edge", "notifier"), ("edge", "redis"),
    ("validator", "cache"), ("cache", "store"), ("cache", "redis"), ("cache", "devnet"), ("store", "mongodb"),
    ("migrate", "mongodb"), ("notifier", "store"), ("processor", "store"), ("processor", "validator"),
    ("processor", "devnet"),
}  # fmt: skip
"""Who speaks to whom: the map of the services, devnet being the chain."""

Object = dict[str, Any]


class Rendered:
    """The objects of one kustomization."""

    def __init__(self, folder: str) -> None:
        if not KUSTOMIZE.exists():
            pytest.skip("missing: kustomize (Go, then make setup)")
        self.objects: list[Object] = list(yaml.safe_load_all(render(ROOT / "k8s" / folder)))

    def of(self, *kinds: str) -> dict[str, Object]:
        """By name."""
        return {one["metadata"]["name"]: one for one in self.objects if one["kind"] in kinds}

    def pods(self) -> dict[str, Object]:
        """Pod templates by the name of their workload."""
        return {name: one["spec"]["template"] for name, one in self.of(*WORKLOADS).items()}

    def container(self, name: str) -> Object:
        """The one container of a workload."""
        (found,) = self.pods()[name]["spec"]["containers"]
        return dict(found)

    def env(self, name: str) -> dict[str, str]:
        """As the first replica's container gets it, without what is there to be referred to only."""
        container, maps = self.container(name), self.of("ConfigMap")
        env: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            env |= maps[source["configMapRef"]["name"]]["data"]
        for one in container["env"]:
            env[one["name"]] = self._value(one, env, maps)
        return {key: value for key, value in env.items() if key != "POD_NAME"}

    def _value(self, one: Object, env: Mapping[str, str], maps: Mapping[str, Object]) -> str:
        if "value" in one:
            assert isinstance(one["value"], str), one
            return re.sub(r"\$\((\w+)\)", lambda found: env[found[1]], one["value"])
        match one["valueFrom"]:
            case {"configMapKeyRef": reference}:
                return str(maps[reference["name"]]["data"][reference["key"]])
            case {"secretKeyRef": _}:
                return GIVEN.get(one["name"], "given")
            case {"fieldRef": {"fieldPath": "metadata.name"}}:
                return "pod-0"
            case {"fieldRef": {"fieldPath": "metadata.labels['apps.kubernetes.io/pod-index']"}}:
                return "0"
        raise AssertionError(f"{one['name']} comes from nowhere")

    def settings(self, name: str) -> Any:
        """What the process makes of it."""
        return settings_from(settings_class(self.container(name)["args"]), self.env(name))


@pytest.fixture(scope="module")
def local() -> Rendered:
    return Rendered("overlays/local")


@pytest.fixture(scope="module", params=["base", "overlays/local"])
def rendered(request: pytest.FixtureRequest) -> Rendered:
    return Rendered(request.param)


def test_each_service_takes_its_environment(rendered: Rendered) -> None:
    for name in SERVICES:
        settings = rendered.settings(name)
        assert settings.host == settings.admin_host == "0.0.0.0", name
        assert settings.service_instance == "pod-0"
    migrate = rendered.env("migrate")
    assert settings_from(settings_class(["-m", "services.store"]), migrate).database_url.startswith(
        "mongodb://"
    )
    assert rendered.container("migrate")["args"] == ["-m", "services.store", "migrate", "--prepare"]


def test_devnet_is_the_chain_that_everybody_names(local: Rendered) -> None:
    devnet, verifier = local.settings("devnet"), {"cache": "", "validator": "", "processor": ""}
    assert {local.settings(name).verifier_id for name in verifier} == {devnet.verifier_account}
    assert local.settings("validator").network == devnet.chain_id
    assert set(local.settings("processor").solvers) <= set(devnet.solver_accounts)
    assert devnet.relayer_keys >= local.of("StatefulSet")["processor"]["spec"]["replicas"]
    assert devnet.devnet_control is False


def test_the_token_registry_is_one_that_can_be_read(rendered: Rendered) -> None:
    path = rendered.settings("validator").token_registry_file
    (mount,) = (
        one
        for one in rendered.container("validator")["volumeMounts"]
        if Path(one["mountPath"]) == path.parent
    )
    assert "subPath" not in mount, "would never show a change"
    (volume,) = (
        one for one in rendered.pods()["validator"]["spec"]["volumes"] if one["name"] == mount["name"]
    )
    data = rendered.of("ConfigMap")[volume["configMap"]["name"]]["data"]
    assert read_registry(data[path.name].encode()).tokens == DEFAULT_TOKENS


def test_a_wrong_name_or_value_would_be_seen(local: Rendered) -> None:
    env, cls = local.env("store"), settings_class(["-m", "services.store"])
    with pytest.raises(AssertionError, match="STORE_TARGET"):
        settings_from(cls, env | {"STORE_TARGET": "dns:///store:1"})
    with pytest.raises(AssertionError, match="refuses"):
        settings_from(cls, env | {"LOG_LEVEL": "LOUD"})
    processor = local.env("processor")
    del processor["SIGNER_KEY_FILE"]
    with pytest.raises(AssertionError, match="refuses"):
        settings_from(settings_class(["-m", "services.processor"]), processor)


def ports_of(container: Object) -> dict[str, int]:
    return {port["name"]: port["containerPort"] for port in container["ports"]}


def test_what_listens_is_what_is_declared_and_probed(rendered: Rendered) -> None:
    for name in (one for one in OWN if one in rendered.pods() and one != "migrate"):
        settings, container = rendered.settings(name), rendered.container(name)
        ports = ports_of(container)
        expected = {"rpc" if name == "devnet" else "grpc": settings.port, "admin": settings.admin_port}
        if name == "edge":
            expected["http"] = settings.http_port
        assert ports == expected, name
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            match container.get(probe, {}):
                case {"grpc": {"port": port, "service": service}}:
                    assert port == ports["grpc"], name
                    assert service == importlib.import_module(f"services.{name}.app").SERVICE
                case {"httpGet": {"port": port, "path": path}}:
                    assert port == "admin"
                    assert path in ("/healthz", "/readyz")
        assert "readinessProbe" in container
        # a dependency's trouble must never restart a healthy process
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"


def backends(rendered: Rendered, service: Object) -> Iterator[tuple[str, Object]]:
    selector = service["spec"]["selector"]
    for name, pod in rendered.pods().items():
        if selector.items() <= pod["metadata"]["labels"].items():
            yield name, rendered.container(name)


def test_services_lead_to_a_port_of_their_pods(rendered: Rendered) -> None:
    for name, service in rendered.of("Service").items():
        ((workload, container),) = backends(rendered, service)
        assert workload == name.removesuffix("-http")
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in ports_of(container), name
            if name != "edge-http":
                assert port["port"] == ports_of(container)[port["targetPort"]], name
                assert service["spec"]["clusterIP"] == "None", f"{name}: gRPC clients balance themselves"
    http = rendered.of("Service")["edge-http"]["spec"]
    assert http["sessionAffinity"] == "ClientIP"
    assert http["type"] == "ClusterIP"


def test_every_target_is_a_service_on_a_port_it_has(local: Rendered) -> None:
    services, seen = local.of("Service"), set()
    for name in OWN:
        for value in local.env(name).values():
            target = target_of(value)
            if target is not None:
                ports = {port["port"] for port in services[target[0]]["spec"]["ports"]}
                assert target[1] in ports, f"{name}: {value}"
                seen.add((name, target[0]))
    assert seen == ARROWS


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    for rule in selector.get("matchExpressions", ()):
        assert rule["operator"] == "In"
        if labels.get(rule["key"]) not in rule["values"]:
            return False
    return bool(selector.get("matchLabels", {}).items() <= labels.items())


def ways(rendered: Rendered, direction: str, peers: str) -> set[tuple[str, str, str]]:
    """(whose policy, the other pod, the port's name at the called one), for peers that are pods of ours."""
    found = set()
    for policy in rendered.of("NetworkPolicy").values():
        for name, pod in rendered.pods().items():
            if not selects(policy["spec"]["podSelector"], pod["metadata"]["labels"]):
                continue
            for rule in policy["spec"].get(direction, ()):
                for peer in rule.get(peers, ()):
                    if "podSelector" not in peer or "namespaceSelector" in peer:
                        continue
                    for other, its in rendered.pods().items():
                        if selects(peer["podSelector"], its["metadata"]["labels"]):
                            called = other if direction == "egress" else name
                            declared = ports_of(rendered.container(called))
                            for port in rule["ports"]:
                                names = [one for one in declared if port["port"] in (one, declared[one])]
                                assert names, f"{name} {direction} {other}: port {port['port']}"
                                found.add((name, other, names[0]))
    return found


def test_the_ways_are_the_map_and_both_ends_agree(local: Rendered) -> None:
    main = dict.fromkeys(SERVICES, "grpc") | {"redis": "redis", "mongodb": "mongodb", "devnet": "rpc"}
    expected = {(caller, called, main[called]) for caller, called in ARROWS}
    assert ways(local, "egress", "to") == expected
    assert {(caller, called, port) for called, caller, port in ways(local, "ingress", "from")} == expected


def test_nothing_else_is_open(rendered: Rendered) -> None:
    policies = rendered.of("NetworkPolicy")
    deny = policies["default-deny"]["spec"]
    assert deny["podSelector"] == {}
    assert set(deny["policyTypes"]) == {"Ingress", "Egress"}
    assert not deny.get("ingress") and not deny.get("egress")
    for name, policy in policies.items():
        for rule in policy["spec"].get("ingress", ()):
            if "from" not in rule:
                assert name == "edge", "only the edge's public ports are open to everybody"
                assert {port["port"] for port in rule["ports"]} == {"grpc", "http"}
        for rule in policy["spec"].get("egress", ()):
            assert rule["to"] and rule["ports"], name
    scraped = {
        name
        for name, policy in policies.items()
        for rule in policy["spec"].get("ingress", ())
        if [port["port"] for port in rule["ports"]] == ["admin"] and "namespaceSelector" in rule["from"][0]
    }
    assert scraped == {name for name in OWN if name in rendered.pods()} - {"migrate"}
    everybody = policies["dns-and-traces"]["spec"]
    assert all(
        selects(everybody["podSelector"], pod["metadata"]["labels"]) for pod in rendered.pods().values()
    )
    assert {port["port"] for rule in everybody["egress"] for port in rule["ports"]} == {53, 4317}


def test_the_chain_outside_is_reached_over_tls_by_the_two_that_speak_to_it() -> None:
    base = Rendered("base")
    chain = base.of("NetworkPolicy")["chain"]["spec"]
    callers = {
        n for n, pod in base.pods().items() if selects(chain["podSelector"], pod["metadata"]["labels"])
    }
    assert callers == {"cache", "processor"}
    assert [port["port"] for port in chain["egress"][0]["ports"]] == [443]
    assert all(url.startswith("https://") for url in base.settings("cache").chain_url)


def test_the_grace_period_is_longer_than_the_drain(rendered: Rendered) -> None:
    for name in (one for one in OWN if one in rendered.pods() and one != "migrate"):
        settings = rendered.settings(name)
        drain = (settings.drain_wait_ms + settings.drain_grace_ms) / 1000
        assert settings.drain_wait_ms >= 5_000, "balancers need time to notice"
        assert rendered.pods()[name]["spec"]["terminationGracePeriodSeconds"] > drain + EXIT_SLACK, name


def test_every_pod_is_restricted_bounded_and_without_a_token(rendered: Rendered) -> None:
    accounts = rendered.of("ServiceAccount")
    for name, pod in rendered.pods().items():
        spec, (container,) = pod["spec"], pod["spec"]["containers"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        for kind in ("requests", "limits"):
            assert container["resources"][kind].keys() == {"cpu", "memory", "ephemeral-storage"}, name
        assert spec["serviceAccountName"] == name
        assert spec["automountServiceAccountToken"] is False
        assert accounts[name]["automountServiceAccountToken"] is False
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC"}
        assert {kind for one in spec["volumes"] for kind in one} <= {
            "name",
            "emptyDir",
            "secret",
            "configMap",
        }, name


def test_each_service_has_a_budget_replicas_and_spreads(rendered: Rendered) -> None:
    workloads, budgets = rendered.of("Deployment", "StatefulSet"), rendered.of("PodDisruptionBudget")
    for name in SERVICES:
        assert workloads[name]["spec"]["replicas"] >= 2
        budget = budgets[name]["spec"]
        assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        assert budget["maxUnavailable"] == 1
        assert selects(budget["selector"], rendered.pods()[name]["metadata"]["labels"])
        (term,) = rendered.pods()[name]["spec"]["affinity"]["podAntiAffinity"][
            "preferredDuringSchedulingIgnoredDuringExecution"
        ]
        assert term["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"


def test_no_secret_is_written_in_a_manifest(rendered: Rendered) -> None:
    assert not rendered.of("Secret")
    for name in (one for one in OWN if one in rendered.pods()):
        container = rendered.container(name)
        secret = secret_names(settings_class(container["args"]))
        given = {one["name"]: one for one in container["env"]}
        for key in secret & given.keys():
            assert "secretKeyRef" in given[key].get("valueFrom", {}), f"{name}: {key}"
        for source in container.get("envFrom", ()):
            assert not secret & rendered.of("ConfigMap")[source["configMapRef"]["name"]]["data"].keys()


def test_files_named_in_settings_are_mounted_from_secrets(rendered: Rendered) -> None:
    for name, setting in (("edge", "TOKENS_FILE"), ("processor", "SIGNER_KEY_FILE")):
        folder = str(Path(rendered.env(name)[setting]).parent)
        (mount,) = [one for one in rendered.container(name)["volumeMounts"] if one["mountPath"] == folder]
        (volume,) = [one for one in rendered.pods()[name]["spec"]["volumes"] if one["name"] == mount["name"]]
        assert "secret" in volume
        assert mount["readOnly"] is True


def test_each_processor_signs_with_a_key_of_its_own(rendered: Rendered) -> None:
    assert "processor" in rendered.of("StatefulSet")
    env = {one["name"]: one for one in rendered.container("processor")["env"]}
    # leased from one pool, by a name that a pod keeps; a pinned key would be everybody's
    assert "SIGNER_KEY_INDEX" not in env
    assert env["PROCESSOR_OWNER"]["value"] == "$(POD_NAME)"
    secrets = [
        one["secret"]["secretName"]
        for one in rendered.pods()["processor"]["spec"]["volumes"]
        if "secret" in one
    ]
    assert secrets == ["intents-processor-keys"]


def test_one_image_of_this_version(rendered: Rendered) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    images = {rendered.container(name)["image"] for name in OWN if name in rendered.pods()}
    assert images == {f"intent-suite:{version}"}


def test_the_overlay_enforces_the_restricted_standard(local: Rendered) -> None:
    labels = local.of("Namespace")["intents"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    outside = {one["kind"] for one in local.objects if one["metadata"].get("namespace") != "intents"}
    assert outside == {"Namespace"}


def test_the_readme_makes_every_secret_that_is_asked_for(local: Rendered) -> None:
    readme = (ROOT / "k8s" / "overlays" / "local" / "README.md").read_text("utf-8")
    wanted = set()
    for pod in local.pods().values():
        spec = pod["spec"]
        wanted |= {volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
        for one in spec["containers"][0].get("env", ()):
            reference = one.get("valueFrom", {}).get("secretKeyRef")
            if reference is not None:
                wanted.add(reference["name"])
    assert wanted
    assert set(re.findall(r"create secret generic (\S+)", readme)) == wanted


def test_kustomize_refuses_what_is_no_kustomization(tmp_path: Path) -> None:
    if not KUSTOMIZE.exists():
        pytest.skip("missing: kustomize (Go, then make setup)")
    with pytest.raises(subprocess.CalledProcessError):
        render(tmp_path)
