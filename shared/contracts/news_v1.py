"""News among services, version 1: what has been published, of whom. It says where to look; the books say what is so."""

from typing import Final

from shared.contracts.fields_v1 import Strict

EVENTS_PUBLISHED: Final = "events_published"
"""The event type, which is the routing key too."""


class EventsPublished(Strict):
    """Of which accounts events were published just now, by the type of event: one message for a whole round."""

    account_ids: dict[str, list[str]]

    def everyone(self) -> set[str]:
        """The accounts of all types."""
        return {account_id for of_type in self.account_ids.values() for account_id in of_type}
