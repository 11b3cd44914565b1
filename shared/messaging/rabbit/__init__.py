"""RabbitMQ through aiormq, aio-pika's own protocol layer. Only this folder knows either of them.

aio-pika itself is left out: its robust objects restore themselves one by one and in their own time, its
message objects cost more than the message, and a batch of publishes is a batch of tasks. What it would give,
coming back after a cut, is `link` (40 lines) and is the same for publishers, consumers and questions.
"""

from shared.messaging.rabbit.client import Held, Rabbit

__all__ = ["Held", "Rabbit"]
