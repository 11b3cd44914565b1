"""The accounts of the load: rich, poor, with a card that reloads, clients of an agency; and what they pay."""

import asyncio
import random
import time
from typing import Any

from tests.faults.model import Model
from tests.faults.stage import PLATFORM_KEY, Party, Stage
from tests.faults.wire import NoAnswer

RICH = tuple(f"rich-{n}" for n in range(20))
POOR = tuple(f"poor-{n}" for n in range(8))
CARDS = tuple(f"card-{n}" for n in range(4))
RICH_CENTS = 10_000_00
POOR_CENTS = 100
CARD_CENTS = 6_00
AGENCY = "agency"
CLIENTS = tuple(f"client-{n}" for n in range(3))
PACK_MINUTES = 50
PAUSE_S = 1.0

Answer = tuple[int, dict[str, Any]]


class People:
    """`move_in` opens all accounts; `pay` is what they do meanwhile."""

    def __init__(self, stage: Stage, model: Model) -> None:
        self._stage = stage
        self._model = model
        self._keys: dict[str, str] = {}
        self._pack = ""
        self._paying = 0
        self._stopping = False
        self.with_reload = CARDS

    @property
    def is_paying(self) -> bool:
        return self._paying > 0

    def key(self, account: str) -> str:
        return self._keys[account]

    async def move_in(self) -> None:
        for accounts, cents in ((RICH, RICH_CENTS), (POOR, POOR_CENTS), (CARDS, CARD_CENTS)):
            await asyncio.gather(*(self._open(account, signup_credit_cents=cents) for account in accounts))
        await asyncio.gather(*(self._save_card(account) for account in CARDS))
        await self._open(AGENCY, agency=True, signup_credit_cents=0)
        agency = self._keys[AGENCY]
        for client in CLIENTS:
            await self.must("subscriptions", "/v1/clients", {"id": client, "name": client}, agency)
            self._model.credit_micros[client] = 0
        pack = {"name": "Pack", "minutes": PACK_MINUTES, "price_cents": 1_000, "currency": "USD"}
        self._pack = (await self.must("subscriptions", "/v1/packs", pack, agency))["id"]
        for client in CLIENTS:
            path = f"/v1/clients/{client}/packs"
            await self.must("subscriptions", path, {"pack_ids": [self._pack]}, agency, method="PUT")

    async def _open(self, account: str, **terms: Any) -> None:
        opened = await self.must("ledger", "/v1/accounts", {"id": account, "name": account, **terms}, PLATFORM_KEY)
        self._keys[account] = opened["api_key"]
        self._model.credit_micros[account] = terms["signup_credit_cents"] * 10_000

    async def _save_card(self, account: str) -> None:
        key = self._keys[account]
        card = {"payment_method_id": "pm_card_visa"}
        await self.must("payments", "/v1/billing/default-payment-method", card, key)
        reload = {"auto_reload_enabled": True, "auto_reload_minimum_cents": 500, "auto_reload_amount_cents": 1_000}
        await self.must("payments", "/v1/billing", reload, key, method="PATCH")

    async def pay(self, rng: random.Random) -> None:
        """A top-up and a pack each second, each until it is answered."""
        number = 0
        while not self._stopping:
            number += 1
            await self._counted(self._top_up(rng.choice(CARDS), rng.randint(5, 20) * 100, f"topup-{number}"))
            await self._counted(self._apply_pack(rng.choice(CLIENTS), f"pack-{number}"))
            await asyncio.sleep(PAUSE_S)

    def stop(self) -> None:
        """Nothing new; what is being paid goes on until it is answered."""
        self._stopping = True

    async def _counted(self, work: Any) -> None:
        self._paying += 1
        try:
            await work
        finally:
            self._paying -= 1

    async def _top_up(self, account: str, cents: int, key: str) -> None:
        body = {"amount_cents": cents}
        status, answer = await self._insist("payments", "/v1/billing/top-up", body, self._keys[account], key)
        assert status == 201, f"top-up: {status} {answer}"
        assert answer["status"] == "succeeded", answer
        self._model.topups[key] = (account, cents)

    async def _apply_pack(self, client: str, key: str) -> None:
        path = f"/v1/clients/{client}/packs/{self._pack}/apply"
        body = {"payment_status": "paid"}
        status, answer = await self._insist("subscriptions", path, body, self._keys[AGENCY], key)
        assert status in (200, 201), f"pack: {status} {answer}"
        self._model.packs[client] += 1

    async def _insist(self, service: str, path: str, body: dict[str, Any], api_key: str, key: str) -> Answer:
        """Ask with the same idempotency key until there is an answer that is one."""
        deadline = time.monotonic() + 180
        while True:
            try:
                status, answer = await self._ask(service, path, body, api_key, {"Idempotency-Key": key})
                if status < 500 and status != 409:
                    return status, answer
            except NoAnswer:
                status, answer = 0, {}
            assert time.monotonic() < deadline, f"{path} was never answered: {status} {answer}"
            await asyncio.sleep(0.3)

    async def must(
        self, service: str, path: str, body: dict[str, Any], api_key: str, *, method: str = "POST"
    ) -> dict[str, Any]:
        status, answer = await self._ask(service, path, body, api_key, {}, method)
        assert status < 300, f"{method} {path}: {status} {answer}"
        return answer

    async def _ask(
        self, service: str, path: str, body: dict[str, Any], api_key: str, headers: dict[str, str], method: str = "POST"
    ) -> Answer:
        party: Party = self._stage.of(service)[0]
        answer = await self._stage.wire.ask(
            method, f"{party.url}{path}", body, key=api_key, headers=headers, timeout_s=20
        )
        return answer.status, answer.json
