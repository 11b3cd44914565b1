"""The composition root: every service, and every queue they hear."""

from services.gatekeeper.service import GATEKEEPER
from services.ledger.service import LEDGER
from services.payments.service import PAYMENTS
from services.portal.service import PORTAL
from services.scheduler.service import SCHEDULER
from services.subscriptions.service import SUBSCRIPTIONS
from shared.service import Service

SERVICES: tuple[Service, ...] = (LEDGER, GATEKEEPER, PAYMENTS, SCHEDULER, SUBSCRIPTIONS, PORTAL)

QUEUES = tuple(queue for service in SERVICES for queue in service.hears)
