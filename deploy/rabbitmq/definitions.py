"""The broker's users and rights, from definitions.json; passwords are filled in here, never kept there.

`python -m deploy.rabbitmq.definitions` writes the filled-in definitions to standard output, for a broker's
`load_definitions`: passwords from RINGFENCE_AMQP_OPERATOR_PASSWORD, …_PLATFORM_, …_DASHBOARD_, …_OPS_. In the
file the hashes are empty, for RabbitMQ "no login by password": loaded as it is, it lets nobody in.

The rights, as the three patterns RabbitMQ asks (configure, write, read; RabbitMQ "Access Control"):
  operator   the services' own login: everything in the virtual host
  platform   publishes usage and checks; takes answers by direct reply-to, which needs no right of its own, or from a
             server-named queue, which it can bind to nothing; reads nothing else
  dashboard  declares and reads its own `dashboard.*` or server-named queues, binds them to ringfence.events
  ops        publishes commands; reads nothing
Nobody but the operator may write the default exchange, so nobody else can put a message straight into a
queue, by publishing or by a queue's dead-lettering.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

DEFINITIONS = Path(__file__).with_name("definitions.json")
USERS = ("operator", "platform", "dashboard", "ops")
VHOST = "ringfence"


def with_passwords(passwords: Mapping[str, str]) -> str:
    """The definitions as JSON, with a hash for each user of `passwords`; KeyError when one is missing."""
    definitions = json.loads(DEFINITIONS.read_text())
    for user in definitions["users"]:
        user["password_hash"] = password_hash(passwords[user["name"]], salt=secrets.token_bytes(4))
    return json.dumps(definitions, indent=2)


def password_hash(password: str, *, salt: bytes) -> str:
    """RabbitMQ's `rabbit_password_hashing_sha256`: base64 of a 4-byte salt and SHA-256 of salt + password."""
    assert len(salt) == 4
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def main() -> None:
    names = {user: f"RINGFENCE_AMQP_{user.upper()}_PASSWORD" for user in USERS}
    if missing := [name for name in names.values() if not os.environ.get(name)]:
        sys.exit(f"not set: {', '.join(missing)}")
    sys.stdout.write(with_passwords({user: os.environ[name] for user, name in names.items()}))


if __name__ == "__main__":
    main()
