"""`ringfence brake`: an operator sees why no card is charged, and lets charges go on (issue 5)."""

import asyncpg

from shared.runtime import Hosted
from tests.commands.conftest import Command


async def test_the_brake_is_shown_with_its_reason_and_released(command: Command, ringfence: Hosted) -> None:
    """Issue 5: "an operator releases it"; docs/operations.md says how."""
    assert (await command("brake", "show")).out.strip() == "The brake is not held."
    books = await asyncpg.connect(ringfence.host.settings.postgres_url)
    await books.execute(
        "UPDATE payments.brake SET pulled_at = now(), held_until = now() + interval '1 hour', reason = '30 of 31 crossed'"
    )
    await books.execute(
        "INSERT INTO payments.alerts (kind, subject, detail, first_at, last_at) VALUES ('charge_wave', 'all', 'x', now(), now())"
    )
    shown = await command("brake", "show", "--json")
    assert (shown.json["held"], shown.json["reason"]) == (True, "30 of 31 crossed")
    assert [alert["kind"] for alert in shown.json["alerts"]] == ["charge_wave"]
    in_words = (await command("brake", "show")).out
    assert "30 of 31 crossed" in in_words
    assert "ringfence brake release" in in_words
    assert (await command("brake", "release", "--json")).json == {"released": True}
    assert (await command("brake", "show", "--json")).json["alerts"] == []
    assert (await command("brake", "release")).out.strip() == "The brake was not held."
    assert await books.fetchval("SELECT held_until FROM payments.brake") is None
    await books.close()
