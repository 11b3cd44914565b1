"""Every balance as it changes: `python examples/dashboard.py [how many]`. Needs RINGFENCE_AMQP_DASHBOARD_URL."""

import asyncio
import json
import os
import sys

import aio_pika


async def main(how_many: float) -> None:
    latest: dict[str, int] = {}
    connection = await aio_pika.connect_robust(os.environ["RINGFENCE_AMQP_DASHBOARD_URL"])
    async with connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind("ringfence.events", "balance_changed.#")
        print("listening", flush=True)
        async for message in queue.iterator(no_ack=True):
            news = json.loads(message.body)["data"]
            if news["version"] <= latest.get(news["account_id"], -1):
                continue  # stale: something newer was heard before
            latest[news["account_id"]] = news["version"]
            print(f"{news['account_id']}: ${news['balance_usd']}, settled {news['settled']}", flush=True)
            how_many -= 1
            if how_many <= 0:
                return


asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else float("inf")))
