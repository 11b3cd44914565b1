"""The composition root: every service, and every queue they hear."""

from services.gatekeeper.service import GATEKEEPER
from services.ledger.service import LEDGER
from services.scheduler.service import SCHEDULER
from shared.service import Service

SERVICES: tuple[Service, ...] = (LEDGER, GATEKEEPER, SCHEDULER)

QUEUES = tuple(queue for service in SERVICES for queue in service.hears)
