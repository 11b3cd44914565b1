"""Charges and credits compared with the payment provider's own lists, for `ringfence audit` (contract §9, 4)."""

from collections.abc import Mapping, Sequence
from typing import Final

from deploy.local.stripe_standin.embedding import SECRET_KEY as STANDIN_KEY
from services.commands.failures import CommandFailed, ExitCode
from services.payments.invariants import findings
from services.payments.provider import ProviderUnavailable
from services.payments.settings import STRIPE_API, PaymentsSettings
from services.payments.store import SQL
from services.payments.stripe_provider import StripeProvider
from shared.clock import SystemClock
from shared.postgres.audit import Finding
from shared.postgres.pool import open_pool

INVARIANT: Final = "the provider and the books agree"


async def compare_with_provider(environment: Mapping[str, str]) -> Sequence[Finding] | None:
    """Both ways, over everything there ever was; None where this deployment has no provider."""
    settings = _settings(environment)
    if settings is None:
        return None
    pool = await open_pool(environment["RINGFENCE_POSTGRES_URL"], "audit", size_max=1)
    try:
        provider = StripeProvider(settings, await pool.fetchval(SQL.installation_id))
        try:
            found = await findings(pool, provider, SystemClock().now())
        finally:
            await provider.close()
    except ProviderUnavailable as outage:
        raise CommandFailed(f"the payment provider does not answer: {outage}", ExitCode.COULD_NOT) from None
    finally:
        await pool.close()
    return [_in_one_name(finding) for finding in found]


def _settings(environment: Mapping[str, str]) -> PaymentsSettings | None:
    url = environment.get("RINGFENCE_STRIPE_API_URL", STRIPE_API)
    key = environment.get("STRIPE_API_KEY") or (STANDIN_KEY if url != STRIPE_API else None)
    if not key:
        return None
    # Nothing is received here; the secret only has to be one.
    secret = environment.get("RINGFENCE_STRIPE_WEBHOOK_SECRET") or "whsec_unused"
    return PaymentsSettings(STRIPE_API_KEY=key, stripe_api_url=url, stripe_webhook_secret=(secret,))


def _in_one_name(finding: Finding) -> Finding:
    detail = f"{finding.invariant.replace('_', ' ')}: {finding.detail}"
    return Finding(finding.service, INVARIANT.replace(" ", "_"), finding.subject, detail)
