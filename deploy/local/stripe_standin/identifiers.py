"""Ids and secrets that look like Stripe's."""

import secrets
import string

_LETTERS = string.ascii_letters + string.digits


def random_text(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def new_stripe_id(prefix: str) -> str:
    """`pi_3…`: the prefix and 24 random letters and digits."""
    return f"{prefix}_{random_text(24)}"


def client_secret(object_id: str) -> str:
    """`pi_…_secret_…`: lets a browser see and confirm this one object."""
    return f"{object_id}_secret_{random_text(25)}"
