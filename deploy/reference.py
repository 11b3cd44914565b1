"""Pages of docs/reference that are made from the code: settings and commands. `make specs` writes them anew."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click
import typer
from pydantic import AliasChoices
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from services.__main__ import app
from services.gatekeeper.settings import GatekeeperSettings
from services.ledger.settings import LedgerSettings
from services.payments.settings import PaymentsSettings
from services.portal.settings import PortalSettings
from services.scheduler.settings import SchedulerSettings
from services.subscriptions.settings import SubscriptionSettings
from shared.settings import ServiceSettings, Settings

CLASSES: Final[Mapping[str, type[ServiceSettings]]] = {
    "Every process": Settings,
    "Gatekeeper": GatekeeperSettings,
    "Ledger": LedgerSettings,
    "Payments": PaymentsSettings,
    "Subscriptions": SubscriptionSettings,
    "Scheduler": SchedulerSettings,
    "Portal": PortalSettings,
}

MEANINGS: Final[Mapping[str, str]] = {
    "RINGFENCE_POSTGRES_URL": "the database; the login needs CREATEROLE and owns it. Not set: a private server",
    "RINGFENCE_AMQP_URL": "the broker, as its operator. Not set: a private server",
    "RINGFENCE_HTTP_HOST": "where to listen",
    "RINGFENCE_HTTP_PORT": "where to listen; the next free port if it is taken",
    "RINGFENCE_ENVIRONMENT": "`production` refuses the test clock and the Stripe stand-in",
    "RINGFENCE_TEST_CLOCK": "`1`: `POST /v1/test/clock` moves the clock of every service forward",
    "RINGFENCE_PLATFORM_KEY": "the key of the phone platform; `ringfence run` makes one if none is given",
    "RINGFENCE_LOG_LEVEL": "`debug`, `info`, `warning` or `error`; the whole system in one process: `warning`",
    "RINGFENCE_LOG_FORMAT": "`json`: an object a line; `console`: for reading; a terminal gets `console` if not told",
    "RINGFENCE_POOL_SIZE_MAX": "database connections of each service in a process",
    "RINGFENCE_RATE_LIMIT_PER_SECOND": "requests of one account or agency key, but for the gate's; 0 is no limit",
    "RINGFENCE_RATE_LIMIT_BURST": "how many may come at once before that limit counts",
    "RINGFENCE_KEY_CACHE_SECONDS": "for how long a key is known without asking the books (a revoked one works so long)",
    "STRIPE_API_KEY": "`sk_…` or `rk_…`. Not set: the local stand-in; also as `RINGFENCE_STRIPE_API_KEY`",
    "RINGFENCE_CAMPAIGN_MINIMUM_CENTS": "what a campaign check without `to` needs to be available",
    "RINGFENCE_GATE_DEADLINE_MS": "after so long a check is answered 503",
    "RINGFENCE_GATE_LANES": "transactions at a time; more is rarely faster ([sizing](../sizing.md))",
    "RINGFENCE_GATE_BATCH_SIZE_MAX": "checks in one transaction",
    "RINGFENCE_GATE_QUEUE_LENGTH_MAX": "checks that may wait; beyond it 503 at once",
    "RINGFENCE_REJECTIONS_KEPT_DAYS": "how long refusals can be read",
    "RINGFENCE_SIGNUP_CREDIT_CENTS": "what a new account is given; none for clients of an agency",
    "RINGFENCE_LOW_BALANCE_CENTS": "below this `balance_low` is said; per account changeable",
    "RINGFENCE_AUTO_CHARGE": "`on`: new accounts are charged when they run low and settle what they owe",
    "RINGFENCE_STRIPE_API_URL": "the address of a stand-in for Stripe",
    "RINGFENCE_STRIPE_PUBLISHABLE_KEY": "for Stripe's script in the browser: 3-D Secure",
    "RINGFENCE_STRIPE_WEBHOOK_SECRET": "`whsec_…`; two, comma-separated, the new one first, while one is rolled",
    "RINGFENCE_PUBLIC_URL": "where browsers reach us, when it is not where we listen",
    "RINGFENCE_TOPUP_MINIMUM_CENTS": "the least a top-up may be",
    "RINGFENCE_TOPUP_MAXIMUM_CENTS": "the most",
    "RINGFENCE_AUTO_CHARGE_THRESHOLD_CENTS": "accounts with `auto_charge` are charged below this",
    "RINGFENCE_AUTO_CHARGE_AMOUNT_CENTS": "by at least so much",
    "RINGFENCE_BRAKE_ACCOUNTS_MIN": "up to so many accounts crossing their threshold at once never pull the brake",
    "RINGFENCE_BRAKE_PERCENT": "beyond that, more than this share of the accounts with a card does",
    "RINGFENCE_BRAKE_WINDOW_SECONDS": "what counts as at once",
    "RINGFENCE_BRAKE_HOLD_SECONDS": "how long it holds if nobody releases it",
    "RINGFENCE_PROVIDER_TIMEOUT_SECONDS": "for one request to Stripe",
    "RINGFENCE_PROVIDER_NETWORK_RETRIES": "of a request to Stripe whose connection failed, with its idempotency key",
    "RINGFENCE_TOPUP_WAIT_SECONDS": "how long a top-up waits for Stripe's answer before it says 502",
    "RINGFENCE_ADOPTED_WAIT_SECONDS": "the same for a retry that found its first try still under way",
    "RINGFENCE_SWEEP_SECONDS": "how often charges that a crash left are looked for",
    "RINGFENCE_EVENT_PULL_SECONDS": "how often Stripe's own list of events is read",
    "RINGFENCE_DECLINED_TOPUPS_PER_HOUR_MAX": "of one account; beyond it 429, against card testing",
    "RINGFENCE_PACK_DUE_DAYS": "how long the price of a pack may stay unpaid where no plan says so",
    "RINGFENCE_RENEWAL_BATCH_SIZE": "subscriptions renewed in one commit; the gate waits for their accounts meanwhile",
    "RINGFENCE_RENEWALS_PER_SECOND": "how many subscriptions are renewed in a second, where the machine can",
    "RINGFENCE_RENEWAL_PAUSE_RATIO": "the least pause between two such commits, as a multiple of the last one's time",
    "RINGFENCE_SUBSCRIPTIONS_WATCH_SECONDS": "how often to look for what has fallen due, besides the ticks",
    "RINGFENCE_API_URL": "where the pages ask the API, when the portal runs alone",
    "RINGFENCE_ALLOWED_ORIGINS": "whose pages may read `GET /v1/events`, comma-separated",
    "RINGFENCE_LINK_SECONDS": "for how long a sign-in link works",
    "RINGFENCE_SESSION_SECONDS": "for how long its session",
    "RINGFENCE_HEARTBEAT_SECONDS": "how often a silent event stream sends a comment",
    "RINGFENCE_REPLAY_HOURS": "how far back `Last-Event-ID` may reach",
    "RINGFENCE_BEHIND_BYTES_MAX": "a reader further behind gets the present state instead",
    "RINGFENCE_STREAMS_MAX": "open event streams of a process",
    "RINGFENCE_STREAMS_PER_ACCOUNT_MAX": "of one account",
    **{
        f"RINGFENCE_TICK_{name}_SECONDS": f"how often the tick comes: {what}"
        for name, what in {
            "NUMBER_FEES": "fees of phone numbers",
            "RECHARGE": "auto-reload, postpaid charges, suspension",
            "HOLDS": "holds past their time",
            "RENEWALS": "subscriptions whose period is over",
            "DUE_DATES": "payment requests past their due date or grace",
            "RECONCILE": "charges without an answer",
            "AUDIT": "the books check, and Stripe's lists compared with the books",
        }.items()
    },
}
"""What each variable does; a setting without a meaning here fails the test of the reference."""


def settings_page() -> str:
    """Every setting of every service, with its default."""
    lines = [
        "# Settings",
        "",
        "Written by `make specs` from each service's `settings.py`; do not edit.",
        "",
        "All come from the environment. A variable named twice means the same for both services.",
        "Beside these: `RINGFENCE_HOME` (the folder instead of `.ringfence`, for the command), the addresses that",
        "`ringfence run` writes into `.ringfence/env`, and OpenTelemetry's `OTEL_…` ([traces](../how-to/watch-it.md)).",
    ]
    for title, cls in CLASSES.items():
        lines += ["", f"## {title}", "", "| variable | default | what it does |", "| --- | --- | --- |"]
        lines += [
            f"| `{variable}` | {_default(field)} | {MEANINGS[variable]}{_bounds(field)} |"
            for variable, field in settings_of(cls)
        ]
    return "\n".join(lines) + "\n"


def settings_of(cls: type[ServiceSettings]) -> Iterator[tuple[str, FieldInfo]]:
    """Its fields by the variable each is read from; what every process shares is told once."""
    for name, field in cls.model_fields.items():
        if cls is Settings or name not in Settings.model_fields:
            yield _variable(name, field), field


def _variable(name: str, field: FieldInfo) -> str:
    if name == "stripe_api_key":  # Stripe's own tools know it by this name
        return "STRIPE_API_KEY"
    assert not isinstance(field.validation_alias, AliasChoices), name
    return f"RINGFENCE_{name.upper()}"


def _default(field: FieldInfo) -> str:
    if field.is_required() or field.default is PydanticUndefined:
        return "–"
    if field.default is None or field.default == ():
        return "not set"
    return f"`{'off' if field.default is False else field.default}`"


def _bounds(field: FieldInfo) -> str:
    words = {"ge": "at least", "gt": "above", "le": "at most"}
    found = [
        f"{word} {getattr(bound, name):,}"
        for bound in field.metadata
        for name, word in words.items()
        if hasattr(bound, name)
    ]
    return f" ({', '.join(found)})" if found else ""


def commands_page() -> str:
    """Every command with its options, as `--help` tells them."""
    lines = [
        "# Commands",
        "",
        "Written by `make specs` from `services/commands`; do not edit.",
        "",
        "In a checkout, `ringfence` is `.venv/bin/ringfence`.",
        "",
        *(line.strip() for line in (app.info.help or "").splitlines()),
    ]
    for words, command in commands():
        lines += ["", f"## {' '.join(('ringfence', *words))}", "", *_paragraphs(command.help or "")]
        options = [_option(option) for option in command.params]
        if options:
            lines += ["", "| | |", "| --- | --- |", *options]
    return "\n".join(lines) + "\n"


def commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Each command by the words that call it; groups are not commands."""
    yield from _commands(typer.main.get_command(app), ())


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
        return
    for name, each in inner.items():
        yield from _commands(each, (*words, name))


def _paragraphs(text: str) -> list[str]:
    """As written, without indentation; typer's own marks of paragraphs are not for reading."""
    return [line.strip() for line in text.replace("\b", "").strip().splitlines()]


def _option(option: Any) -> str:
    is_argument = option.param_type_name == "argument"
    name = (option.metavar or option.name).upper() if is_argument else ", ".join(option.opts)
    told = " ".join((getattr(option, "help", None) or "").split()).replace("|", "\\|")
    default = getattr(option, "default", None)
    shown = default if isinstance(default, str | int) and not isinstance(default, bool) else None
    tail = " (required)" if option.required else "" if shown is None else f" (default `{shown}`)"
    return f"| `{name}` | {(told + tail).strip()} |"
