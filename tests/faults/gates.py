"""The gate as a platform reaches it: through a proxy that takes its replicas in turn and passes over the silent."""

import time
from typing import Any

from tests.faults.stage import PLATFORM_KEY, Party, Stage
from tests.faults.wire import Answer, NoAnswer

PATIENCE_S = 5.0


class Gates:
    """All replicas; why there was no answer goes to `silences`."""

    def __init__(self, stage: Stage, silences: list[str]) -> None:
        self._stage = stage
        self._silences = silences
        self._turn = 0

    def can_be_timed(self, since: float) -> bool:
        """Whether the platform's own way to the gate was fine: what it waits elsewhere is not the gate's doing."""
        return all(gate.http.was_fine_since(since) for gate in self._stage.of("gatekeeper"))

    async def ask(self, path: str, body: dict[str, Any]) -> tuple[int | None, Any]:
        """One question: the status and the JSON of the answer, or (None, None) when no replica gave one."""
        gates = self._stage.of("gatekeeper")
        self._turn += 1
        first = self._turn % len(gates)  # others take their turn while we wait
        silences = []
        for gate in gates[first:] + gates[:first]:
            answer = await self._ask_one(gate, path, body)
            if isinstance(answer, Answer):
                return answer.status, answer.json
            silences.append(answer)
        self._silences.append(f"{path}: {'; '.join(silences)}")
        return None, None

    async def _ask_one(self, gate: Party, path: str, body: dict[str, Any]) -> Answer | str:
        began = time.monotonic()
        try:
            return await self._stage.wire.ask("POST", f"{gate.url}{path}", body, key=PLATFORM_KEY, timeout_s=PATIENCE_S)
        except NoAnswer as error:
            return f"{gate.replica.name} after {time.monotonic() - began:.2f} s {error}"
