"""Finding what a request names, with Stripe's own refusals."""

from deploy.local.stripe_standin.errors import InvalidRequest, missing
from deploy.local.stripe_standin.store import Record
from deploy.local.stripe_standin.work import Work


def require_customer(work: Work, customer_id: str, param: str = "customer") -> Record:
    """A customer that exists and is not deleted, named as the parameter of something else."""
    customer = work.store.require("customer", customer_id, param, status=400)
    if customer.body.get("deleted"):
        raise missing("customer", customer_id, param, status=400)
    return customer


def not_the_customers(method_id: str, param: str) -> InvalidRequest:
    return InvalidRequest(
        f"The customer does not have a payment method with the ID {method_id}. "
        "The payment method must be attached to the customer.",
        code="resource_missing",
        param=param,
    )
