"""The composition root: every service, and every queue they hear."""

from shared.service import Service

SERVICES: tuple[Service, ...] = ()

QUEUES = tuple(queue for service in SERVICES for queue in service.hears)
