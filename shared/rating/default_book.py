"""Price book version 1 of a fresh deployment (contract §4): $10 is 100 minutes of voice, 50 of all three."""

from typing import Any, Final

DEFAULT_BOOK: Final[dict[str, Any]] = {
    "zones": {},
    "items": [
        {"item": "voice", "price_usd": "0.10", "per": "minute"},
        {"item": "telephony", "price_usd": "0.08", "per": "minute"},
        {"item": "recording", "price_usd": "0.02", "per": "minute"},
        {"item": "chat", "price_usd": "0.01", "per": "message"},
        {"item": "sms", "price_usd": "0.01", "per": "segment"},
        {"item": "number", "price_usd": "2.50", "per": "30d"},
    ],
}
"""As published: give it to `read_book`."""
