"""A local stand-in for Stripe: the default payment provider without a Stripe key, and the tests' double.

It serves what Ringfence uses of Stripe's API (2026-05-27.dahlia), the hosted pages for card entry and 3-D Secure,
and webhooks. It is durable, moves no real money and refuses live keys and real card numbers.
"""

from .app import create_app
from .control_client import ControlRefused, Sim
from .embedding import RunningStandin, running_standin
from .exchanges import Exchange
from .settings import LiveKeyRefused, Settings

__all__ = [
    "ControlRefused",
    "Exchange",
    "LiveKeyRefused",
    "RunningStandin",
    "Settings",
    "Sim",
    "create_app",
    "running_standin",
]
