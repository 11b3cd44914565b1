"""Alert rules, runbooks and the dashboard speak of what is served, and of each other."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.runtime import Hosted
from tests.operations.scraping import scrape

CHECKOUT = Path(__file__).parents[2]
PROMETHEUS = CHECKOUT / "deploy" / "prometheus"
RUNBOOKS = CHECKOUT / "docs" / "runbooks"
REFERENCE = CHECKOUT / "docs" / "reference" / "metrics.md"
SECTIONS = ["What it means for customers' money", "Look", "Do", "Over when"]
METRIC = re.compile(r"\bringfence_\w+")
KNOWN_TO_PROMETHEUS = {"instance", "job", "le"}

ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD = json.loads((CHECKOUT / "deploy" / "grafana" / "ringfence.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]


async def test_alerts_and_dashboard_ask_only_for_what_is_served(ringfence: Hosted) -> None:
    served = (await scrape(ringfence.url)).names()
    for query in [*(rule["expr"] for rule in ALERTS), *QUERIES]:
        named = set(METRIC.findall(query))
        assert named or query.startswith("up{"), query
        assert named <= served, query


def test_alerts_and_dashboard_select_by_labels_there_are() -> None:
    rows = re.findall(r"^\| `(ringfence_\w+)` \| \w+ \|([^|]*)\|", REFERENCE.read_text(encoding="utf-8"), re.M)
    labels = {name: set(re.findall(r"`(\w+)`", text)) for name, text in rows}
    for query in [*(rule["expr"] for rule in ALERTS), *QUERIES]:
        for name, selector in re.findall(r"(ringfence_\w+)\{([^}]*)\}", query):
            asked = set(re.findall(r"(\w+) *[=!]", selector))
            assert asked <= labels[re.sub(r"_(bucket|sum|count)$", "", name)], query
        grouped = {word for by in re.findall(r"\bby \(([^)]*)\)", query) for word in by.replace(" ", "").split(",")}
        of_named = {
            label for name in METRIC.findall(query) for label in labels[re.sub(r"_(bucket|sum|count)$", "", name)]
        }
        assert grouped <= of_named | KNOWN_TO_PROMETHEUS, query


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_leads_to_its_runbook(rule: dict[str, Any]) -> None:
    """A runbook says what it means for customers' money, how to look, what to do, how to know that it is over."""
    runbook = CHECKOUT / rule["annotations"]["runbook_url"]
    assert runbook == RUNBOOKS / f"{rule['alert']}.md"
    text = runbook.read_text(encoding="utf-8")
    assert text.startswith(f"# {rule['alert']}\n")
    assert re.findall(r"^## (.*)$", text, re.M) == SECTIONS
    assert f"`{rule['expr']}`" in text
    assert rule["labels"]["severity"] in ("page", "ticket")


def test_there_is_no_runbook_without_its_alert() -> None:
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == {rule["alert"] for rule in ALERTS}
    index = (RUNBOOKS / "README.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| \[(\w+)\]", index, re.M)) == pages


def test_the_dashboard_is_one_that_grafana_takes() -> None:
    """Panels with ids of their own, side by side without overlap, each with a source and at least one query."""
    panels = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["targets"]


@pytest.fixture(scope="module")
def promtool() -> str:
    """Prometheus' own checker: installed, or unpacked once from Debian's package without installing anything."""
    if found := shutil.which("promtool"):
        return found
    cache = CHECKOUT / ".ringfence" / "cache" / "prometheus"
    unpacked = cache / "usr" / "bin" / "promtool"
    if not unpacked.exists():
        if not shutil.which("apt-get") or not shutil.which("dpkg"):
            pytest.skip("promtool is not installed, and there is no Debian to take it from")
        cache.mkdir(parents=True, exist_ok=True)
        fetched = subprocess.run(
            ["apt-get", "download", "-q", "prometheus"], cwd=cache, capture_output=True, check=False
        )
        packages = [*cache.glob("prometheus_*.deb")]
        if fetched.returncode or not packages:
            pytest.skip("Debian's package prometheus can't be fetched here")
        subprocess.run(["dpkg", "-x", packages[0], cache], check=True, capture_output=True)
        packages[0].unlink()
    return str(unpacked)


@pytest.mark.parametrize("check", [("check", "config", "prometheus.yml"), ("test", "rules", "alerts.test.yml")])
def test_prometheus_takes_the_rules_and_they_fire_when_they_should(promtool: str, check: tuple[str, ...]) -> None:
    done = subprocess.run([promtool, *check], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout + done.stderr
