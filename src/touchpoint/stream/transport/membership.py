"""Whether this worker belongs to its consumer group, and why it cannot.

Of two workers with one instance id the later one takes the earlier one's place. The broker then no longer knows the
earlier one's member id, and aiokafka joins again without it, which takes the place back: neither ends, and partitions
move for ever. So a static member joins again with the id that it had. To that the broker says either that another has
its instance id (FENCED_INSTANCE_ID, which aiokafka 0.14 has no name for), or that it knows neither, as after a session
that expired: only then is it to join as a new member.
"""

from __future__ import annotations

import time
from typing import Any

from aiokafka.errors import BrokerResponseError, UnknownMemberIdError, kafka_errors
from aiokafka.protocol.group import JoinGroupRequest

REFUSED_SECONDS = 10.0  # an error of the group that nobody has taken for so long: no one fetches, so no one will


class FencedInstanceIdError(BrokerResponseError):
    """Another member has our instance id."""

    errno = 82
    message = "FENCED_INSTANCE_ID"
    description = "another member of the group has this group instance id"


kafka_errors[FencedInstanceIdError.errno] = FencedInstanceIdError


def is_fenced(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, says that another has our instance id. aiokafka wraps it as text."""
    while error is not None:
        if isinstance(error, FencedInstanceIdError) or FencedInstanceIdError.__name__ in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def join_again_by_member_id(coordinator: Any) -> None:
    """Make a static member ask with the member id that it had before it joins as a new one.

    Only the answer to a JoinGroup says that the broker knows neither the member nor its instance id. An answer to a
    commit resets the generation once for each of its partitions, and says nothing of the instance id.
    """
    send, forget = coordinator._send_req, coordinator.reset_generation
    nobody = coordinator.generation
    unknown = False

    async def send_request(request: Any) -> Any:
        nonlocal unknown
        response = await send(request)
        if isinstance(request, JoinGroupRequest):
            unknown = response.error_code == UnknownMemberIdError.errno
        return response

    def reset_generation() -> None:
        nonlocal unknown
        if unknown:
            unknown = False
            forget()
        else:
            coordinator.generation = nobody
            coordinator.request_rejoin()

    coordinator._send_req = send_request
    coordinator.reset_generation = reset_generation


class Membership:
    """What the group's coordinator says of us, looked at every now and then."""

    def __init__(self, instance_id: str | None, patience: float) -> None:
        """`patience`: seconds without being a member, after which something is wrong."""
        self._instance_id = instance_id
        self._patience = patience
        self._member_at = self._well_at = time.monotonic()

    def problem(self, consumer: Any) -> str | None:
        """Why we do not belong to the group and never will, in a sentence; None while we do, or may still."""
        now = time.monotonic()
        coordinator = getattr(consumer, "_coordinator", None)
        if coordinator is None or not hasattr(coordinator, "_pending_exception"):
            self._member_at = self._well_at = now
            return None
        task = getattr(coordinator, "_coordination_task", None)
        if task is not None and task.done() and not task.cancelled() and (ended := task.exception()) is not None:
            # nobody fetches before the first assignment, so that aiokafka has nobody to tell (faults: a broker that
            # had just started named no brokers, and the worker was ready again only after JOIN_SECONDS)
            return f"the work for the consumer group has ended unexpectedly: {ended!r}"
        error = coordinator._pending_exception
        if is_fenced(error):
            return self.replaced()
        if error is None:
            self._well_at = now
        elif now - self._well_at > REFUSED_SECONDS:
            return f"the consumer group refuses this worker: {error!r}"
        if coordinator.generation > 0 and not coordinator._rejoin_needed_fut.done():
            self._member_at = now
        elif now - self._member_at > self._patience:
            return f"this worker has not become a member of its consumer group for {now - self._member_at:.0f} s"
        return None

    def replaced(self) -> str:
        """What to say of a worker whose instance id another has."""
        return (
            f"another worker has TOUCHPOINT_INSTANCE_ID {self._instance_id!r} and has taken this one's place: give each"
            " worker an id of its own, or none"
        )
