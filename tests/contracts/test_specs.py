"""What is written down is what the code does: specs are generated, committed, and compared here."""

from deploy.specs import DOCS, documents
from services.everything import SERVICES
from shared.contracts.events_v1 import EVENTS
from shared.contracts.ticks_v1 import TICK_NAMES, tick_type
from shared.runtime import Hosted


async def test_the_committed_specs_are_current(ringfence: Hosted) -> None:
    """`make specs` writes them anew."""
    for path, text in documents(ringfence.app).items():
        assert path.read_text(encoding="utf-8") == text, f"run `make specs`: {path.relative_to(DOCS)} is not current"


def test_every_event_a_service_says_has_a_contract_and_the_other_way_round() -> None:
    said = {name for service in SERVICES for name in service.says}
    assert said - {tick_type(name) for name in TICK_NAMES} == set(EVENTS)


async def test_every_route_is_in_the_specification_once(ringfence: Hosted) -> None:
    operations = [(method, path) for path, methods in ringfence.app.openapi()["paths"].items() for method in methods]
    assert len(operations) == len(set(operations))
    assert ("post", "/v1/checks/call") in operations
    assert ("post", "/v1/usage") in operations
