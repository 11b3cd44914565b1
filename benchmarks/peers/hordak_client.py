# mypy: disable-error-code="import-not-found"
"""Runs in django-hordak's own environment: `prepare ACCOUNTS`, or `debit CUSTOMERS SECONDS` → debits/s."""

import os
import random
import sys
import time
from multiprocessing import Barrier, Process, Queue
from typing import Any
from urllib.parse import urlsplit

CLIENTS = 8
WARM_UP_SECONDS = 1.0
REVENUE = "revenue"


def _configure(url: str) -> None:
    import django
    from django.conf import settings

    place = urlsplit(url)
    settings.configure(
        INSTALLED_APPS=["django.contrib.contenttypes", "mptt", "djmoney", "hordak"],
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": place.path[1:],
                "USER": place.username,
                "PASSWORD": place.password,
                "HOST": place.hostname,
                "PORT": place.port,
            }
        },
        USE_TZ=True,
        DEFAULT_CURRENCY="USD",
        HORDAK_INTERNAL_CURRENCY="USD",
        HORDAK_CURRENCIES=["USD"],
    )
    django.setup()


def _prepare(url: str, accounts: int) -> None:
    _configure(url)
    from django.core.management import call_command
    from django.db import transaction
    from hordak.models import Account

    call_command("migrate", verbosity=0)
    with transaction.atomic():
        Account.objects.create(name=REVENUE, type="IN", currencies=["USD"])
        for number in range(accounts):
            Account.objects.create(name=f"customer {number}", type="LI", currencies=["USD"])


def _debit(url: str, customers: int, seconds: float, ready: Any, done: Any) -> None:
    _configure(url)
    from django.db import transaction
    from hordak.models import Account
    from moneyed import Money

    revenue = Account.objects.get(name=REVENUE)
    people = list(Account.objects.filter(type="LI").order_by("id")[:customers])
    cent = Money("0.01", "USD")
    made = 0
    ready.wait()
    begin = time.monotonic() + WARM_UP_SECONDS
    end = begin + seconds
    while (now := time.monotonic()) < end:
        with transaction.atomic():
            random.choice(people).transfer_to(revenue, cent)
        made += now >= begin
    done.put(made)


def _debits(url: str, customers: int, seconds: float) -> float:
    ready = Barrier(CLIENTS)
    done: Queue[int] = Queue()
    clients = [Process(target=_debit, args=(url, customers, seconds, ready, done)) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    made = sum(done.get(timeout=seconds + 60) for _ in clients)
    for client in clients:
        client.join()
    return made / seconds


if __name__ == "__main__":
    if sys.argv[1] == "prepare":
        _prepare(os.environ["BENCH_POSTGRES_URL"], int(sys.argv[2]))
    else:
        print(_debits(os.environ["BENCH_POSTGRES_URL"], int(sys.argv[2]), float(sys.argv[3])))
