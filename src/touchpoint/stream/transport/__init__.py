"""The product's own Faust transport: why is in faust.md 1, what in consumer.py."""

from touchpoint.stream.transport.batch import Batch, BatchSchema
from touchpoint.stream.transport.consumer import Consumer
from touchpoint.stream.transport.driver import Producer, Transport
from touchpoint.stream.transport.membership import Membership, is_fenced
from touchpoint.stream.transport.offsets import OffsetTracker

__all__ = ["Batch", "BatchSchema", "Consumer", "Membership", "OffsetTracker", "Producer", "Transport", "is_fenced"]
