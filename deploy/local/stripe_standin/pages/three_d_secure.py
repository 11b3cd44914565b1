"""`/3ds/{intent}`: the bank's page on which a customer completes or fails authentication."""

from urllib.parse import urlencode

from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response

from deploy.local.stripe_standin.authentication import finish_authentication, session_of
from deploy.local.stripe_standin.errors import InvalidRequest
from deploy.local.stripe_standin.store import Record

from .receipt import in_words
from .rendering import message, render
from .stage import Stage


class AuthenticationPages:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def show(self, http: HttpRequest) -> Response:
        intent = self._find(http, http.query_params.get("client_secret", ""))
        if intent is None:
            return _not_found()
        if intent.body["status"] != "requires_action":
            return _over(intent)
        return render(
            "authenticate.html",
            frame=True,
            goes_to=(return_url(intent),),
            title="3-D Secure",
            intent=intent.body,
            question=_question(intent),
        )

    async def submit(self, http: HttpRequest) -> Response:
        form = await http.form()
        intent = self._find(http, str(form.get("client_secret", "")))
        outcome = form.get("outcome")
        if intent is None or outcome not in ("complete", "fail"):
            return _not_found()
        back = return_url(intent)
        try:
            with self._stage.work() as work:
                in_checkout = session_of(work, intent) is not None
                finish_authentication(work, intent, "complete" if outcome == "complete" else "fail")
                session = session_of(work, intent)
        except InvalidRequest:
            return _over(intent)
        if session is not None:
            # The bank said no inside a checkout: the customer may try another card.
            return RedirectResponse(f"/c/pay/{session.id}", 303)
        if back and in_checkout:
            return RedirectResponse(back, 303)
        return RedirectResponse(_with_outcome(back, intent), 303) if back else _over(intent)

    def _find(self, http: HttpRequest, secret: str) -> Record | None:
        intent = self._stage.store.find(http.path_params["intent"])
        if intent is None or intent.kind not in ("payment_intent", "setup_intent"):
            return None
        return intent if intent.body["client_secret"] == secret else None


def return_url(intent: Record) -> str | None:
    redirect = (intent.body["next_action"] or {}).get("redirect_to_url")
    return str(redirect["return_url"]) if redirect else None


def _question(intent: Record) -> str:
    if intent.kind == "setup_intent":
        return "The bank asks: do you want to save this card for later payments?"
    price = in_words(intent.body["amount"], intent.body["currency"])
    return f"The bank asks: do you want to pay {price}?"


def _with_outcome(back: str, intent: Record) -> str:
    succeeded = intent.body["status"] == "succeeded"
    facts = {
        intent.kind: intent.id,
        f"{intent.kind}_client_secret": intent.body["client_secret"],
        "redirect_status": "succeeded" if succeeded else "failed",
    }
    return f"{back}{'&' if '?' in back else '?'}{urlencode(facts)}"


def _over(intent: Record) -> Response:
    status = intent.body["status"]
    return render(
        "message.html",
        frame=True,
        title="Authentication is over",
        text=f"The status is now: {status}. You can close this page.",
        link=None,
        tells_opener=True,
        intent_id=intent.id,
        intent_status=status,
    )


def _not_found() -> Response:
    return message("Not found", "There is nothing to authenticate here.", status=404, frame=True)
