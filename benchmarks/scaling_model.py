"""`python -m benchmarks.scaling_model`: what more machines would do, from what one was measured to cost.

A model on paper, checked by a simulation: accounts of very different size are spread over shards, calls arrive at
random, and each shard works off what its machine can in each tick. Seeded: the same output each time. It starts nothing
and measures nothing; the costs below are those of docs/performance.md.
"""

import argparse
import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapreplace
from itertools import accumulate
from math import exp, sqrt

SEED = 20_261_124
ACCOUNTS = 200_000
TICK_SECONDS = 0.02
TICKS = 500
MICROS = 1_000_000
POISSON_IS_NORMAL_FROM = 40.0
USED = 0.7
"""Of the fullest shard's capacity: nobody should plan for more."""
MACHINES = (1, 10, 100, 1_000)
SKEWS = {"mild": 0.6, "strong": 1.0}
"""Exponent of Zipf's law: the n-th largest account has 1/n^s of the largest one's calls."""
CAMPAIGN_CALLS_PER_SECOND = 1_000
CAMPAIGN_SECONDS = 2.0
LATE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU time of one call (hold, two extends, one usage event, one balance event) in µs, all processes; the cores of a
    machine; and how many calls a second one account's row can take, whatever the machine."""

    call_micros: float = 2_330.0
    cores: int = 2
    account_per_second: float = 1_679.0

    @property
    def machine_per_second(self) -> float:
        return self.cores * MICROS / self.call_micros


def shares(accounts: int, skew: float) -> list[float]:
    """Each account's part of all calls, the largest first."""
    weights = [1 / place**skew for place in range(1, accounts + 1)]
    total = sum(weights)
    return [weight / total for weight in weights]


def by_hash(parts: Sequence[float], shards: int) -> list[float]:
    """Each shard's part of all calls, accounts placed by a hash of their id."""
    load = [0.0] * shards
    for place, part in enumerate(parts):
        load[zlib.crc32(b"acct-%06d" % place) % shards] += part
    return load


def by_directory(parts: Sequence[float], shards: int) -> list[float]:
    """The same, each account placed where least is, the largest first: what moving accounts about can reach."""
    load = [0.0] * shards
    heap = [(0.0, shard) for shard in range(shards)]
    for part in parts:
        _, shard = heap[0]
        load[shard] += part
        heapreplace(heap, (load[shard], shard))
    return load


PLACEMENTS: dict[str, Callable[[Sequence[float], int], list[float]]] = {"hash": by_hash, "directory": by_directory}


@dataclass(frozen=True, slots=True)
class Outlook:
    """What so many machines take, and what stops them. `load` is each shard's part of all calls."""

    per_second: float
    load: Sequence[float]
    limit: str


def outlook(load: Sequence[float], largest: float, costs: Costs) -> Outlook:
    """The rate at which the fullest shard, or the row of the largest account, is as full as we want it."""
    by_shard = costs.machine_per_second * USED / max(load)
    by_row = costs.account_per_second * USED / largest
    if by_row < by_shard:
        return Outlook(by_row, load, "the row of the largest account")
    alone = "the largest account fills its machine"
    return Outlook(by_shard, load, alone if max(load) < 1.05 * largest else "the fullest shard")


@dataclass(frozen=True, slots=True)
class Waited:
    """How long usage waited to be posted (99th percentile, ms), and how many calls waited more than 100 ms."""

    p99: float
    late_percent: float


def simulate(seen: Outlook, costs: Costs, *, campaign: bool) -> Waited:
    """Ten seconds of calls that arrive at random; with a campaign, one account's sudden thousands in the middle."""
    dice = random.Random(SEED)
    work_per_tick = costs.cores * MICROS * TICK_SECONDS
    campaign_ticks = range(TICKS // 4, TICKS // 4 + round(CAMPAIGN_SECONDS / TICK_SECONDS)) if campaign else range(0)
    waits: list[tuple[float, int]] = []
    for shard, part in enumerate(seen.load):
        backlog = 0.0
        for tick in range(TICKS):
            mean = seen.per_second * part * TICK_SECONDS
            if shard == 0 and tick in campaign_ticks:
                mean += CAMPAIGN_CALLS_PER_SECOND * TICK_SECONDS
            arrived = poisson(dice, mean)
            backlog = max(0.0, backlog + arrived * costs.call_micros - work_per_tick)
            if arrived:
                waits.append((backlog / work_per_tick * TICK_SECONDS, arrived))
    return _waited(waits)


def _waited(waits: list[tuple[float, int]]) -> Waited:
    waits.sort()
    calls = list(accumulate(count for _, count in waits))
    late = sum(count for wait, count in waits if wait > LATE_SECONDS)

    slow = next(place for place, so_far in enumerate(calls) if so_far >= calls[-1] * 0.99)
    return Waited(waits[slow][0] * 1000, 100 * late / calls[-1])


def poisson(dice: random.Random, mean: float) -> int:
    """How many arrive when so many are expected."""
    if mean >= POISSON_IS_NORMAL_FROM:
        return max(0, round(dice.gauss(mean, sqrt(mean))))
    limit, product, count = exp(-mean), dice.random(), 0
    while product > limit:
        product *= dice.random()
        count += 1
    return count


def table(costs: Costs) -> Iterator[str]:
    most = costs.machine_per_second
    yield f"one machine: {costs.cores} cores, {costs.call_micros:.0f} µs a call, {most:,.0f} calls/s at most"
    yield "skew    machines placed by    calls/s of even fullest  p99 ms   late*  limit"
    for words, skew in SKEWS.items():
        parts = shares(ACCOUNTS, skew)
        for machines in MACHINES:
            for placement, place in PLACEMENTS.items():
                seen = outlook(place(parts, machines), parts[0], costs)
                calm = simulate(seen, costs, campaign=False)
                busy = simulate(seen, costs, campaign=True)
                yield (
                    f"{words:8}{machines:>8,} {placement:10}{seen.per_second:>10,.0f}"
                    f"{seen.per_second / (machines * most * USED):>8.0%}{max(seen.load) * machines:>8.2f}"
                    f"{calm.p99:>8.1f}{busy.late_percent:>7.1f}%  {seen.limit}"
                )
    yield (
        f"* calls that wait more than {LATE_SECONDS * 1000:.0f} ms when one account suddenly makes "
        f"{CAMPAIGN_CALLS_PER_SECOND:,} calls/s more for {CAMPAIGN_SECONDS:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--call-micros", type=float, default=Costs().call_micros)
    parser.add_argument("--cores", type=int, default=Costs().cores)
    parser.add_argument("--account-per-second", type=float, default=Costs().account_per_second)
    chosen = parser.parse_args()
    for line in table(Costs(chosen.call_micros, chosen.cores, chosen.account_per_second)):
        print(line)


if __name__ == "__main__":
    main()
