"""What can go wrong between us and the broker.

MessagingError
├── BrokerUnreachable     no connection within the time allowed; nothing was sent
├── TopologyConflict      a queue or exchange of that name exists with other arguments
└── NotPublished          this message was not confirmed
    ├── Unroutable        no queue takes it (only when published with mandatory)
    ├── Refused           the broker said no: nack, missing exchange, not permitted
    └── Unconfirmed       no answer: it may or may not arrive; publishing again may make a duplicate
"""


class MessagingError(Exception):
    """The root of everything this package raises."""


class BrokerUnreachable(MessagingError):
    """No usable connection within the time allowed, or the broker has blocked publishers."""


class TopologyConflict(MessagingError):
    """A declaration contradicts what the broker already has."""


class NotPublished(MessagingError):
    """The broker did not take responsibility for the message."""


class Unroutable(NotPublished):
    """Published as mandatory, and no queue takes it."""


class Refused(NotPublished):
    """The broker refused it: nack (queue full), unknown exchange, or not permitted."""


class Unconfirmed(NotPublished):
    """Neither accepted nor refused in time, or the connection broke first."""
