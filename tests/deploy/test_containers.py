"""The compose file, the image, the proxy and the Kubernetes base: what can be checked without running them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

CHECKOUT = Path(__file__).parents[2]
SERVICES = ("gatekeeper", "ledger", "payments", "scheduler", "subscriptions", "portal")
OWNERS = {
    "gatekeeper": ["/v1/checks/call", "/v1/checks/sms/m1/release", "/v1/holds?account_id=a", "/readyz", "/healthz"],
    "ledger": [
        *["/v1/usage", "/v1/accounts", "/v1/accounts/a/events", "/v1/prices", "/v1/prices/quote", "/v1/numbers/n"],
        *["/v1/billing/transactions", "/v1/wallet/transactions", "/v1/wallet/balance", "/v1/wallet/pricing"],
        *["/v1/wallet/analytics?days=7", "/v1/test/clock"],
    ],
    "payments": [
        *["/v1/billing", "/v1/billing/top-up", "/v1/billing/notice", "/v1/wallet", "/v1/wallet/auto-recharge"],
        *["/v1/billing/transactions/7/receipt", "/v1/transactions/7/refund", "/v1/stripe/webhook"],
    ],
    "subscriptions": ["/v1/plans", "/v1/packs/p", "/v1/clients/c/usage", "/v1/payment-requests/r"],
    "portal": [
        *["/v1/accounts/a/portal-sessions", "/v1/ops-sessions", "/signin/x", "/assets/v/portal.css", "/agency/offers"],
        *["/v1/events", "/billing", "/billing/setup-checkout", "/ops", "/agency", "/openapi.json"],
    ],
}
"""Design §2, "HTTP": which service answers what; one address each, and those that a shorter prefix would misroute."""

Document = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> Document:
    document: Document = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
    return document


@pytest.fixture(scope="module")
def kubernetes() -> list[Document]:
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not here to build the base")
    built = subprocess.run(
        ["kubectl", "kustomize", str(CHECKOUT / "deploy" / "kubernetes")],
        check=True,
        capture_output=True,
        text=True,
    )
    return list(yaml.safe_load_all(built.stdout))


def test_each_service_has_its_own_container_from_one_image(compose: Document) -> None:
    """Design §2: "gives each its own container, one image, and a proxy in front"."""
    for name in SERVICES:
        service = compose["services"][name]
        assert service["command"] == ["run", "--services", name]
        assert service["image"] == compose["services"]["migrate"]["image"]
        assert "RINGFENCE_POSTGRES_URL" in service["environment"]


def test_services_start_after_the_migration_and_healthy_servers(compose: Document) -> None:
    for name in SERVICES:
        waits_for = {on: how["condition"] for on, how in compose["services"][name]["depends_on"].items()}
        assert waits_for == {
            "postgres": "service_healthy",
            "rabbitmq": "service_healthy",
            "migrate": "service_completed_successfully",
        }
        assert compose["services"][name]["healthcheck"]["test"][-1] == "deploy.healthcheck"


def test_the_servers_are_those_promised(compose: Document) -> None:
    """Issue "The main job": "RabbitMQ 4, PostgreSQL 18 (its volume belongs at `/var/lib/postgresql`)"."""
    assert compose["services"]["rabbitmq"]["image"] == "rabbitmq:4"
    assert compose["services"]["postgres"]["image"] == "postgres:18"
    assert "postgres:/var/lib/postgresql" in compose["services"]["postgres"]["volumes"]


def test_what_is_published_is_published_to_this_machine_alone(compose: Document) -> None:
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert set(published) == {"proxy", "rabbitmq"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_every_file_and_volume_that_is_mounted_exists(compose: Document) -> None:
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert (CHECKOUT / source).is_file(), source
            else:
                assert source in compose["volumes"]


def test_the_example_environment_names_every_variable_and_holds_no_secret(compose: Document) -> None:
    wanted = set(re.findall(r"\$\{(\w+)", (CHECKOUT / "docker-compose.yml").read_text()))
    lines = (CHECKOUT / ".env.example").read_text().splitlines()
    named = dict(line.lstrip("# ").split("=", 1) for line in lines if re.match(r"(# )?[A-Z_]+=", line))
    assert wanted <= set(named)
    assert all(named[name] == "" for name in wanted)


def test_no_file_holds_a_secret() -> None:
    definitions = json.loads((CHECKOUT / "deploy" / "rabbitmq" / "definitions.json").read_text())
    assert {user["password_hash"] for user in definitions["users"]} == {""}
    passwords = re.compile(r"password\w*\s*[:=]\s*['\"]?(?!\$\{)[\w-]{6,}", re.IGNORECASE)
    for path in (CHECKOUT / "docker-compose.yml", *(CHECKOUT / "deploy").rglob("*.yaml")):
        assert not passwords.search(path.read_text()), path


@pytest.mark.parametrize(("owner", "path"), [(owner, path) for owner, paths in OWNERS.items() for path in paths])
def test_the_proxy_sends_each_route_to_its_owner(owner: str, path: str) -> None:
    assert upstream_of(path.partition("?")[0]) == owner


def test_the_proxy_shows_no_metrics() -> None:
    assert upstream_of("/metrics") is None


def test_the_image_is_pinned_small_and_runs_as_nobody_in_particular() -> None:
    """What a linter of Dockerfiles would say, as far as it matters here."""
    text = (CHECKOUT / "deploy" / "Dockerfile").read_text()
    instructions = [line.split(maxsplit=1) for line in joined(text) if line and not line.startswith("#")]
    users = [value for name, value in instructions if name == "USER"]
    assert users
    assert users[-1].split(":")[0] not in ("0", "root")
    assert all(re.search(r":\d", value.split()[0]) for name, value in instructions if name == "FROM")
    assert not [name for name, _ in instructions if name in ("ADD", "MAINTAINER")]
    assert not [value for name, value in instructions if name == "COPY" and value.split()[0] == "."]
    assert not re.search(r"^(ENV|ARG).*(PASSWORD|KEY|SECRET|TOKEN)", text, re.MULTILINE)
    assert all("--require-hashes" in line for line in joined(text) if "--requirement" in line)
    for _, value in instructions:
        assert not re.search(r"\b(sudo|apt-get upgrade|curl .*\| *sh)\b", value)


@pytest.mark.parametrize("lock", ["runtime", "tracing"])
def test_the_image_installs_what_was_tested(lock: str) -> None:
    """The image's locks hold no tests' packages, and of ours the same versions and hashes."""
    tested = locked((CHECKOUT / "requirements.lock").read_text())
    installed = locked((CHECKOUT / "deploy" / f"requirements-{lock}.lock").read_text())
    assert installed.items() <= tested.items()
    assert "pytest" not in installed
    assert "asyncpg" in installed
    assert ("opentelemetry-sdk" in installed) == (lock == "tracing")


def test_kubernetes_runs_every_service(kubernetes: list[Document]) -> None:
    deployments = {it["metadata"]["name"]: it["spec"] for it in kubernetes if it["kind"] == "Deployment"}
    assert set(deployments) == {*SERVICES, "proxy"}
    for name in SERVICES:
        pod = deployments[name]["template"]["spec"]
        [container] = pod["containers"]
        assert container["args"] == ["run", "--services", name]
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert {"secretRef": {"name": "ringfence"}} in container["envFrom"]


def test_pages_ask_banks_and_are_known_by_their_public_address(compose: Document, kubernetes: list[Document]) -> None:
    """3-D Secure needs the publishable key; cookies are Secure only where the pages know of https."""
    [portal] = [
        it["spec"]["template"]["spec"]["containers"][0]
        for it in kubernetes
        if it["kind"] == "Deployment" and it["metadata"]["name"] == "portal"
    ]
    of_secret = {it["name"]: it["valueFrom"]["secretKeyRef"]["key"] for it in portal["env"] if "valueFrom" in it}
    for name in ("RINGFENCE_STRIPE_PUBLISHABLE_KEY", "RINGFENCE_PUBLIC_URL"):
        assert of_secret[name] == name
        assert name in compose["services"]["portal"]["environment"]
    assert "RINGFENCE_PUBLIC_URL" in compose["services"]["payments"]["environment"]


def test_kubernetes_brings_servers_that_survive_a_machine(kubernetes: list[Document]) -> None:
    """Design §7: "quorum queues", "Postgres with a synchronous standby"."""
    [postgres] = [it["spec"] for it in kubernetes if it["kind"] == "Cluster"]
    assert postgres["instances"] == 3
    assert postgres["postgresql"]["synchronous"] == {"method": "any", "number": 1, "dataDurability": "required"}
    [broker] = [it["spec"] for it in kubernetes if it["kind"] == "RabbitmqCluster"]
    assert broker["replicas"] == 3
    assert "load_definitions" in broker["rabbitmq"]["additionalConfig"]


def test_kubernetes_scales_the_ledger_by_its_queue(kubernetes: list[Document]) -> None:
    [scaled] = [it["spec"] for it in kubernetes if it["kind"] == "ScaledObject"]
    assert scaled["scaleTargetRef"]["name"] == "ledger"
    [trigger] = scaled["triggers"]
    assert trigger["type"] == "rabbitmq"
    assert trigger["metadata"]["queueName"].startswith("ledger.")
    assert not any(it["kind"] == "Secret" for it in kubernetes)


def upstream_of(path: str) -> str | None:
    """Where nginx sends a path: an exact location, else the first pattern, else the longest prefix."""
    config = (CHECKOUT / "deploy" / "proxy" / "nginx.conf").read_text()
    found = re.findall(r"location (= )?(/\S*)\s*\{([^}]*)\}", config)
    patterns = re.findall(r"location ~ (\S+)\s*\{([^}]*)\}", config)
    exact = [body for equals, location, body in found if equals and location == path]
    prefixes = sorted((location, body) for equals, location, body in found if not equals)
    matching = [body for pattern, body in patterns if re.search(pattern, path)][:1]
    bodies = exact or matching or [body for location, body in prefixes if path.startswith(location)]
    target = re.search(r"proxy_pass http://(\w+);", bodies[-1])
    return None if target is None else target[1]


def joined(dockerfile: str) -> list[str]:
    return re.sub(r"\\\n\s*", "", dockerfile).splitlines()


def locked(text: str) -> dict[str, frozenset[str]]:
    """Package and version → hashes."""
    packages = re.split(r"^(?=[a-zA-Z])", text, flags=re.MULTILINE)
    entries = (re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==(\S+)", package) for package in packages)
    return {
        f"{entry[1]}": frozenset([entry[2], *re.findall(r"sha256:\w+", entry.string)])
        for entry in entries
        if entry is not None
    }
