"""`/c/pay/{session}`: the hosted card form of a checkout session."""

from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response

from deploy.local.stripe_standin.api.checkout_sessions import complete_session, expire_due_sessions
from deploy.local.stripe_standin.api.payment_methods import create_method
from deploy.local.stripe_standin.api.setup_intents import try_setup
from deploy.local.stripe_standin.cards import CARDS
from deploy.local.stripe_standin.errors import CardRefused, StripeError
from deploy.local.stripe_standin.store import Record
from deploy.local.stripe_standin.work import Work

from .rendering import message, render
from .stage import Stage


class CheckoutPages:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def show(self, http: HttpRequest) -> Response:
        session = self._find(http)
        closed = _closed(session)
        if session is None or closed:
            return closed or message("Not found", "There is no such checkout session.", status=404)
        return self._form(session)

    async def submit(self, http: HttpRequest) -> Response:
        session = self._find(http)
        closed = _closed(session)
        if session is None or closed:
            return closed or message("Not found", "There is no such checkout session.", status=404)
        form = await http.form()
        entered = {name: str(form.get(name, "")).strip() for name in ("number", "exp_month", "exp_year", "cvc", "name")}
        return self._try(session, entered)

    def _try(self, session: Record, entered: dict[str, str]) -> Response:
        refused: StripeError | None = None
        with self._stage.work() as work:
            try:
                next_page = _keep_card(work, session, entered)
            except CardRefused as declined:
                refused = declined
            except (StripeError, ValueError):
                refused = CardRefused("Your card's details are incomplete.")
        if refused:
            return self._form(session, problem=str(refused), entered=entered)
        return RedirectResponse(next_page, 303)

    def _find(self, http: HttpRequest) -> Record | None:
        with self._stage.work() as work:
            expire_due_sessions(work)
        return self._stage.store.find(http.path_params["session"], "checkout_session")

    def _form(self, session: Record, problem: str = "", entered: dict[str, str] | None = None) -> Response:
        given = entered or {}
        return render(
            "checkout.html",
            status=402 if problem else 200,
            goes_to=(session.body["success_url"], session.body["cancel_url"]),
            title="Save a card",
            session=session.body,
            cards=list(CARDS.values()),
            problem=problem,
            number=given.get("number", ""),
            name=given.get("name", ""),
            exp_year=given.get("exp_year") or self._stage.now().year + 3,
        )


def _keep_card(work: Work, session: Record, entered: dict[str, str]) -> str:
    """Where the browser goes next; raises CardRefused."""
    details = {
        "number": entered["number"],
        "exp_month": int(entered["exp_month"]),
        "exp_year": int(entered["exp_year"]) + (2000 if len(entered["exp_year"]) == 2 else 0),
        "cvc": entered["cvc"],
    }
    method = create_method(work, {"card": details, "billing_details": {"name": entered["name"] or None}})
    intent = work.store.get(session.body["setup_intent"])
    back = after_checkout(session)
    try_setup(work, intent, method, back)
    if intent.body["status"] == "requires_action":
        return str(intent.body["next_action"]["redirect_to_url"]["url"])
    complete_session(work, session)
    return back


def after_checkout(session: Record) -> str:
    """The success URL with its `{CHECKOUT_SESSION_ID}` filled in."""
    return str(session.body["success_url"]).replace("{CHECKOUT_SESSION_ID}", session.id)


def _closed(session: Record | None) -> Response | None:
    if session is None or session.body["status"] == "open":
        return None
    text = {"complete": "The card was saved.", "expired": "This page has expired."}[session.body["status"]]
    return message("All done" if session.body["status"] == "complete" else "Expired", text, status=410)
