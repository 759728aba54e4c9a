"""What brokers tell of our rights, of a topic's replicas and of a group's members, by requests that aiokafka lacks.

Kafka's protocol: Metadata version 8 and DescribeGroups version 4, https://kafka.apache.org/protocol.html
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import GroupCoordinatorNotAvailableError, GroupLoadInProgressError, KafkaError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

READ, WRITE, DESCRIBE = 3, 4, 8  # org.apache.kafka.common.acl.AclOperation
NOT_TOLD = -(2**31)
TEXT = String("utf-8")
FORBIDDEN = (29, 30)  # TOPIC_AUTHORIZATION_FAILED, GROUP_AUTHORIZATION_FAILED


class TopicAccess(msgspec.Struct, frozen=True):
    """A topic as the broker tells it to our login."""

    exists: bool
    hidden: bool  # we may not even see it
    operations: frozenset[int] | None  # that we may do; None: not told
    leaderless: tuple[int, ...] = ()  # partitions without a leader
    fewest_insync: int = 0  # replicas in sync of the partition that has the fewest
    replicas: int = 0  # of the partition that has the fewest


class Member(msgspec.Struct, frozen=True):
    """A worker in the group."""

    instance_id: str | None
    client_host: str
    member_id: str
    assignment: frozenset[tuple[str, int]]  # topics in full, with partitions


class ConsumerGroup(msgspec.Struct, frozen=True):
    """A consumer group as its coordinator tells it."""

    state: str  # as Kafka names it: Stable, PreparingRebalance, CompletingRebalance, Empty, Dead
    operations: frozenset[int] | None  # that we may do; None: not told
    members: list[Member]


class _MetadataResponse(Response):
    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", TEXT), ("port", Int32), ("rack", TEXT))),
        ("cluster_id", TEXT),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("name", TEXT),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("number", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("insync", Array(Int32)),
                        ("offline", Array(Int32)),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
        ("cluster_operations", Int32),
    )


class _MetadataRequest(RequestStruct):
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA = Schema(
        ("topics", Array(TEXT)),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_operations", Boolean),
        ("include_topic_operations", Boolean),
    )


class _DescribeTopics(Request[_MetadataRequest]):
    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequest]) -> _MetadataRequest:
        return request_struct_class(self._topics, False, False, True)


class _GroupsResponse(Response):
    API_KEY = 15
    API_VERSION = 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", TEXT),
                ("state", TEXT),
                ("protocol_type", TEXT),
                ("protocol", TEXT),
                (
                    "members",
                    Array(
                        ("member_id", TEXT),
                        ("instance_id", TEXT),
                        ("client_id", TEXT),
                        ("client_host", TEXT),
                        ("metadata", Bytes),
                        ("assignment", Bytes),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
    )


class _GroupsRequest(RequestStruct):
    API_KEY = 15
    API_VERSION = 4
    RESPONSE_TYPE = _GroupsResponse
    SCHEMA = Schema(("groups", Array(TEXT)), ("include_operations", Boolean))


class _DescribeGroups(Request[_GroupsRequest]):
    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[_GroupsRequest]) -> _GroupsRequest:
        return request_struct_class([self._group], True)


async def topic_access(admin: AIOKafkaAdminClient, topics: list[str]) -> dict[str, TopicAccess] | None:
    """Each topic, by its name in full; None if the broker is too old to tell. Raises KafkaError."""
    told = await _asked(admin, _DescribeTopics(topics))
    if told is None:
        return None
    return {topic["name"]: _access(topic) for topic in told["topics"]}


def _access(topic: dict[str, Any]) -> TopicAccess:
    if topic["error_code"]:
        return TopicAccess(exists=False, hidden=topic["error_code"] in FORBIDDEN, operations=None)
    partitions = topic["partitions"]
    return TopicAccess(
        True,
        False,
        _operations(topic["operations"]),
        tuple(sorted(each["number"] for each in partitions if each["leader"] < 0)),
        min((len(each["insync"]) for each in partitions), default=0),
        min((len(each["replicas"]) for each in partitions), default=0),
    )


async def consumer_group(admin: AIOKafkaAdminClient, group: str) -> ConsumerGroup | None:
    """The group; None if the broker is too old to tell.

    Raises KafkaError, GroupAuthorizationFailedError where we may not see it.
    """
    coordinator = await _coordinator(admin, group)
    told = await _asked(admin, _DescribeGroups(group), coordinator)
    if told is None:
        return None
    [found] = told["groups"]
    if found["error_code"]:
        raise for_code(found["error_code"])(group)
    members = [
        Member(
            each["instance_id"], each["client_host"].removeprefix("/"), each["member_id"], _assigned(each["assignment"])
        )
        for each in found["members"]
    ]
    return ConsumerGroup(found["state"], _operations(found["operations"]), members)


def _assigned(assignment: bytes | None) -> frozenset[tuple[str, int]]:
    """The partitions of a member; none while the group has not told it."""
    if not assignment:
        return frozenset()
    return frozenset(
        (tp.topic, tp.partition) for tp in ConsumerProtocolMemberAssignment.decode(assignment).partitions()
    )


async def _coordinator(admin: AIOKafkaAdminClient, group: str) -> int:
    """A cluster that never had a group makes the groups' topic first; whoever asks limits the time."""
    while True:
        try:
            node: int = await admin.find_coordinator(group)
        except (GroupCoordinatorNotAvailableError, GroupLoadInProgressError):
            await asyncio.sleep(0.5)
        else:
            return node


async def _asked(admin: AIOKafkaAdminClient, request: Any, node: int | None = None) -> dict[str, Any] | None:
    client = admin._client  # noqa: SLF001 - of a pinned aiokafka; its public methods know older versions only
    try:
        if node is not None and not await client.ready(node):
            raise KafkaError(f"broker {node}, the coordinator of the group, does not answer")
        response = await client.send(client.get_random_node() if node is None else node, request)
    except NotImplementedError:
        return None
    told: dict[str, Any] = response.to_object()
    return told


def _operations(bits: int) -> frozenset[int] | None:
    return None if bits == NOT_TOLD else frozenset(n for n in range(32) if bits & (1 << n))
