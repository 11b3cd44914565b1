"""What the hosted pages stand on: the books, the clock, and work that is announced when it is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from deploy.local.stripe_standin.settings import Settings
from deploy.local.stripe_standin.store import Store
from deploy.local.stripe_standin.work import Work
from shared.clock import Clock


@dataclass(frozen=True)
class Stage:
    store: Store
    settings: Settings
    clock: Clock
    announce: Callable[[], None]

    def now(self) -> datetime:
        return self.clock.now()

    @contextmanager
    def work(self) -> Iterator[Work]:
        """One transaction, without a request or an idempotency key."""
        with self.store.transaction():
            yield Work(self.store, self.settings, int(self.now().timestamp()))
        self.announce()
