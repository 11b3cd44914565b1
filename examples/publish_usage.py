"""Publish what was used: `python examples/publish_usage.py ACCOUNT_ID`. Needs RINGFENCE_AMQP_PLATFORM_URL.

Publishing is confirmed; after any doubt the same events are sent again, which bills nothing twice.
"""

import asyncio
import json
import os
import sys
import uuid

import aio_pika


def sms_sent(account_id: str, message_id: str) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": f"{message_id}-sent",
        "source": "example",
        "type": "sms.sent",
        "data": {
            "account_id": account_id,
            "message_id": message_id,
            "from": "+15550100",
            "to": "+493012345",
            "segments": 1,
        },
    }


async def main(account_id: str) -> None:
    events = [sms_sent(account_id, f"sms-{uuid.uuid4().hex}") for _ in range(3)]
    connection = await aio_pika.connect(os.environ["RINGFENCE_AMQP_PLATFORM_URL"])
    async with connection:
        channel = await connection.channel(publisher_confirms=True)
        exchange = await channel.get_exchange("ringfence.usage", ensure=False)
        body = json.dumps(events).encode()  # an array is a batch
        await exchange.publish(
            aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT), routing_key="sms.sent"
        )
    print(f"published {len(events)} messages of {account_id}")


asyncio.run(main(sys.argv[1]))
