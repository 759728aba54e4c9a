"""Looking up where a partition begins or ends, while its leader moves.

aiokafka 0.14.0 asks the broker that led the partition again and again, though it answers NOT_LEADER_OR_FOLLOWER, until
its metadata expires, which takes five minutes; meanwhile it sends that broker no fetch, so that no other partition
which the broker leads is read either. Here the error makes it update its metadata, as the error of a fetch does.
"""

from __future__ import annotations

from typing import Any

from aiokafka.consumer import consumer, fetcher
from aiokafka.errors import KafkaError


class Fetcher(fetcher.Fetcher):
    """In place of aiokafka's own."""

    async def _proc_offset_request(self, node_id: int, topic_data: Any) -> Any:
        try:
            return await super()._proc_offset_request(node_id, topic_data)
        except KafkaError:
            self._client.force_metadata_update()
            raise


def install() -> None:
    """Make every consumer of this process look up offsets by this class."""
    consumer.Fetcher = Fetcher
