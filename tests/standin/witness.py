"""The witness that hears every exchange and notes what contradicts Stripe's specification."""

from deploy.local.stripe_standin import Exchange
from tests.standin.stripe_spec import stripe_spec


class SpecWitness:
    """Give its `observe` to `running_standin`; `findings` must stay empty."""

    def __init__(self) -> None:
        # Loaded before the first request: it takes a second, and it must not be missing.
        self._spec = stripe_spec()
        self.findings: list[str] = []

    def observe(self, exchange: Exchange) -> None:
        self.findings += self._spec.check_exchange(exchange)
