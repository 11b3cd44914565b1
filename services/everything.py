"""The composition root: every service, and every queue they hear."""

from services.ledger.service import LEDGER
from shared.service import Service

SERVICES: tuple[Service, ...] = (LEDGER,)

QUEUES = tuple(queue for service in SERVICES for queue in service.hears)
