"""API keys: who calls, and what that key may do."""

import base64
import binascii

from .errors import KeyRefused
from .settings import Settings
from .work import Operation

# The rights a billing service's restricted key should have; everything else is refused to it.
_RESTRICTED_WRITES = ("customers", "payment_intents", "setup_intents", "payment_methods", "checkout", "refunds")
_RESTRICTED_READS = (*_RESTRICTED_WRITES, "charges", "disputes", "events", "balance_transactions")


def presented_key(authorization: str | None) -> str:
    """From `Bearer <key>` or Basic with the key as user; "" when there is none."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""


def check_known(settings: Settings, key: str) -> None:
    """Raises 401 for no key, a live key, and any key that is not this stand-in's."""
    if not key:
        raise KeyRefused(
            "You did not provide an API key. You need to provide your API key in the Authorization header, using "
            "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
        )
    if key not in (settings.secret_key, settings.publishable_key, settings.restricted_key):
        masked = f"{key[:8]}****{key[-4:]}" if len(key) > 16 else "****"
        hint = " This is a local stand-in: live keys are never accepted." if "_live_" in key else ""
        raise KeyRefused(f"Invalid API Key provided: {masked}.{hint}")


def check_rights(settings: Settings, key: str, operation: Operation) -> None:
    """Raises 403 where the key is too weak for the operation."""
    if key == settings.publishable_key and not operation.publishable:
        raise KeyRefused(
            "This API call cannot be made with a publishable API key. Please use a secret API key.",
            status=403,
            code="secret_key_required",
        )
    if key == settings.restricted_key:
        allowed = _RESTRICTED_READS if operation.method == "GET" else _RESTRICTED_WRITES
        if operation.path.split("/")[2] not in allowed:
            message = "The provided key does not have the required permissions for this endpoint."
            raise KeyRefused(message, status=403, code="permission_denied")
