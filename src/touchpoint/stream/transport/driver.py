"""The transport Faust is given: our consumer, and a producer that is idempotent where the broker can."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from faust.transport.drivers import aiokafka as driver

from touchpoint.stream.transport.consumer import Consumer


class Producer(driver.Producer):
    """With idempotence a batch is never lost to a timeout and never written twice (faust.md 8)."""

    def _settings_extra(self) -> Mapping[str, Any]:
        extra: dict[str, Any] = {**super()._settings_extra(), "acks": "all"}
        if getattr(self.app, "idempotent", True):
            extra["enable_idempotence"] = True
        return extra


class Transport(driver.Transport):
    """aiokafka, with what the product replaces of Faust's driver."""

    Consumer = Consumer
    Producer = Producer
