"""For Python systems that send events themselves: docs/events.md, "From Python"."""

from touchpoint.producer.build import InvalidEventError, event
from touchpoint.producer.producer import Delivery, Producer, Report

__all__ = ["Delivery", "InvalidEventError", "Producer", "Report", "event"]
