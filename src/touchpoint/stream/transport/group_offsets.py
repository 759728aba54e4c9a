"""Committed offsets that cannot be read are not taken for offsets that nobody committed.

From version 2 on an OffsetFetch answer carries an error of the whole group beside its topics, such as
COORDINATOR_LOAD_IN_PROGRESS where a coordinator has just moved; its topics are then empty (Kafka protocol guide,
OffsetFetch; KIP-88). aiokafka 0.14 asks by version 3 and looks at the errors of partitions alone. To it such an answer
says that nothing was ever committed, and every partition is read from its beginning.
"""

from __future__ import annotations

from typing import Any

from aiokafka.errors import NotCoordinatorForGroupError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest


def refuse_failed_answers(coordinator: Any) -> None:
    """Make an OffsetFetch answer with an error raise it: aiokafka asks again after those that pass."""
    send = coordinator._send_req

    async def send_request(request: Any) -> Any:
        response = await send(request)
        if isinstance(request, OffsetFetchRequest) and (code := getattr(response, "error_code", 0)):
            error = for_code(code)
            if error is NotCoordinatorForGroupError:
                coordinator.coordinator_dead()  # who it is now is asked before the next try
            raise error(f"committed offsets of group {coordinator.group_id}")
        return response

    coordinator._send_req = send_request
