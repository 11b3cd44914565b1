"""3-D Secure: the customer's answer on the bank's (simulated) page, and what it does to the intent."""

from typing import Literal

from .api.checkout_sessions import complete_session
from .api.setup_intents import complete_setup, fail_setup_authentication
from .attempts import charge_method, fail_authentication
from .errors import CardRefused, InvalidRequest
from .store import Record
from .work import Work

Outcome = Literal["complete", "fail"]


def finish_authentication(work: Work, intent: Record, outcome: Outcome) -> None:
    """A second answer is refused; a card that authenticates and is then declined is recorded as such."""
    if intent.body["status"] != "requires_action":
        raise InvalidRequest(f"This authentication is over: the intent's status is {intent.body['status']}.")
    method = work.store.get(intent.body["payment_method"])
    if intent.kind == "setup_intent":
        _finish_setup(work, intent, method, outcome)
    elif outcome == "fail":
        fail_authentication(work, intent, method)
    else:
        try:
            charge_method(work, intent, method, authenticated=True)
        except CardRefused:
            return


def _finish_setup(work: Work, intent: Record, method: Record, outcome: Outcome) -> None:
    if outcome == "fail":
        fail_setup_authentication(work, intent, method)
        return
    complete_setup(work, intent, method)
    session = session_of(work, intent)
    if session:
        complete_session(work, session)


def session_of(work: Work, intent: Record) -> Record | None:
    """The open checkout session that this setup intent belongs to."""
    for session in work.store.each("checkout_session", customer=intent.body["customer"]):
        if session.body["setup_intent"] == intent.id and session.body["status"] == "open":
            return session
    return None
