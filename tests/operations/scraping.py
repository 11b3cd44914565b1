"""What `/metrics` serves, taken apart."""

from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families

OURS = "ringfence_"


@dataclass(frozen=True)
class Scrape:
    """`families`: name → (type, documentation, labels); `samples`: (name, labels) → value."""

    families: dict[str, tuple[str, str]]
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float]

    def value(self, name: str, **labels: str) -> float:
        """The sample of exactly these labels; KeyError where there is none."""
        return self.samples[name, frozenset(labels.items())]

    def names(self) -> set[str]:
        """Every name a query may use: of families, and of their samples."""
        names = {name for name, _ in self.samples}
        for name, (kind, _) in self.families.items():
            names |= {name} if kind != "histogram" else {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
        return names


def parse(text: str) -> Scrape:
    """Ours alone; what the client library tells of the process is its own business. Counters carry their `_total`."""
    families, samples = {}, {}
    for family in text_string_to_metric_families(text):
        if family.name.startswith(OURS):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            families[name] = (family.type, family.documentation)
            for sample in family.samples:
                samples[sample.name, frozenset(sample.labels.items())] = sample.value
    return Scrape(families, samples)


async def scrape(url: str) -> Scrape:
    """One scrape, which must succeed."""
    async with httpx.AsyncClient(timeout=10) as client:
        answer = await client.get(f"{url}/metrics")
    assert answer.status_code == 200
    return parse(answer.text)
