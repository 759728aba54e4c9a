"""A desktop application tells Touchpoint what its agents do. `touchpoint topics` has made the topics.

TOUCHPOINT_BROKERS=localhost:9092 python docs/examples/producer.py
"""

import asyncio
from datetime import UTC, datetime

from touchpoint.events.data import Activity, Offered, ToAgent
from touchpoint.events.fields import Party, Resource, TouchedObject
from touchpoint.producer import InvalidEventError, Producer, event

JOHN = Resource(id="john", name="John Doe", kind="agent")
SOURCE = "/desktop/london"


async def main() -> None:
    now = datetime.now(UTC)
    async with Producer.connect() as producer:
        caller = Party(address="01632 960960", name="Mary Major")
        offered = Offered(direction="inbound", party=caller)
        await producer.send(event("call.offered", source=SOURCE, id="1", time=now, subject="call-7", data=offered))
        answered = ToAgent(resource=JOHN)
        told = await producer.send(
            event("call.answered", source=SOURCE, id="2", time=now, subject="call-7", data=answered)
        )
        delivery = await told  # not needed; whoever wants to know where it lies waits for it
        print(f"{delivery.id} lies in {delivery.topic}, partition {delivery.partition}, offset {delivery.offset}")

        order = TouchedObject(type="order", id="o-1", action="created")
        sold = Activity(activity="a-1", action="order", media_item="call-7", resource=JOHN, objects=[order])
        await producer.send(event("activity.recorded", source=SOURCE, id="3", time=now, data=sold))

        try:
            event("call.answered", source=SOURCE, id="4", time=now, subject="call-7")
        except InvalidEventError as error:
            print(f"not sent: {error}")

        report = await producer.flush()  # all that was sent is stored now, or is told here
        print(f"{report.stored} stored, {len(report.failed)} failed")


asyncio.run(main())
