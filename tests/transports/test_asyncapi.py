"""The AsyncAPI document says what we do."""

from pydantic import BaseModel

from shared.messaging.asyncapi import Hears, Says, asyncapi_document
from shared.messaging.topology import EVENTS, TICKS, USAGE, Binding, WorkQueue, work_queue


class CallEnded(BaseModel):
    call_id: str
    duration_seconds: int


class SmsSent(BaseModel):
    message_id: str


class BalanceChanged(BaseModel):
    version: int


HEARS = [
    Hears(work_queue("ledger.bill_usage", USAGE), {"call.ended": CallEnded, "sms.sent": SmsSent}, "Bills usage."),
    Hears(
        WorkQueue("ledger.run_ticks", (Binding(TICKS, "tick.holds"), Binding(TICKS, "tick.number_fees"))),
        {"tick.holds": SmsSent},
    ),
]
SAYS = [Says(EVENTS, "balance_changed.*", "balance_changed", BalanceChanged, "The balance is another.")]


def test_the_document_names_queues_exchanges_and_types() -> None:
    document = asyncapi_document(title="Ringfence", version="1.0", hears=HEARS, says=SAYS)
    assert document["asyncapi"] == "3.0.0"
    assert set(document["channels"]) == {
        "ledger.bill_usage",
        "ledger.run_ticks (tick.holds)",
        "ledger.run_ticks (tick.number_fees)",
        "balance_changed",
    }
    queue = document["channels"]["ledger.bill_usage"]["bindings"]["amqp"]["queue"]
    assert (queue["name"], queue["durable"]) == ("ledger.bill_usage", True)
    schemas = document["components"]["schemas"]
    assert schemas["CallEndedEvent"]["properties"]["type"]["const"] == "call.ended"
    assert schemas["CallEndedEvent"]["properties"]["data"] == {"$ref": "#/components/schemas/CallEnded"}
    assert "SmsSentEvent" in schemas
    assert "BalanceChangedEvent" in schemas


def test_messages_are_declared_acknowledged_by_hand_and_persistent() -> None:
    """Design §5: FastStream drops failed messages and publishes transient ones unless told otherwise."""
    operations = asyncapi_document(title="Ringfence", version="1.0", hears=HEARS, says=SAYS)["operations"]
    assert operations["balance_changed"]["bindings"]["amqp"]["deliveryMode"] == 2
    assert operations["ledger.bill_usage"]["bindings"]["amqp"]["ack"] is True


def test_the_same_input_gives_the_same_document() -> None:
    documents = [asyncapi_document(title="R", version="1", hears=HEARS, says=SAYS) for _ in range(2)]
    assert documents[0] == documents[1]
