"""Small scenes of several ids and several vendors, each of which must become one interaction; as vendors write them."""

from __future__ import annotations

from typing import Any, NamedTuple

import orjson
from vendor_day import START, VendorRecord

Event = dict[str, Any]
BEGIN = int(START.timestamp()) + 3600


class Scene(NamedTuple):
    records: list[VendorRecord]
    events: list[Event]  # canonical ones, of producers of our own
    items: set[str]  # the media items that are one interaction in the end


def ami(second: float, name: str, leg: str, call: str, **fields: str) -> VendorRecord:
    packet = {
        "Event": name,
        "Timestamp": f"{BEGIN + second:.6f}",
        "SystemName": "pbx1",
        "Uniqueid": leg,
        "Linkedid": call,
    }
    return VendorRecord(BEGIN + second, "asterisk-ami", b"pbx1", orjson.dumps(packet | fields))


def ami_call(second: float, call: str, number: str, agent: str, length: float = 60) -> list[VendorRecord]:
    """A caller, the queue, an agent."""
    member = {"Queue": "support", "MemberName": agent, "Interface": f"PJSIP/{agent}", "DestUniqueid": f"{call}-b"}
    return [
        ami(second, "Newchannel", call, call, CallerIDNum=number, Exten="201"),
        ami(second + 1, "QueueCallerJoin", call, call, Queue="support", CallerIDNum=number),
        ami(second + 2, "AgentCalled", call, call, **member),
        ami(second + 5, "AgentConnect", call, call, **member),
        ami(second + 5 + length, "AgentComplete", call, call, Reason="caller", **member),
        ami(second + 5 + length, "Hangup", call, call),
    ]


def twilio(second: float, name: str, task: str, number: str, key: str | None = None, **fields: str) -> VendorRecord:
    payload = {
        "sid": f"EV-{task}-{name}-{second}", "account_sid": "AC1", "workspace_sid": "WS1", "task_sid": task,
        "task_queue_name": "Sales", "task_channel_unique_name": "chat", "timestamp_ms": int((BEGIN + second) * 1000),
        "task_attributes": orjson.dumps({"from": number, "to": "+18005550100"}).decode(),
    }  # fmt: skip
    value = {"specversion": "1.0", "type": f"com.twilio.taskrouter.{name}", "data": {"payload": payload | fields}}
    return VendorRecord(BEGIN + second, "twilio-taskrouter", (key or task).encode(), orjson.dumps(value))


def twilio_chat(second: float, task: str, number: str) -> list[VendorRecord]:
    return [
        twilio(second, "task.created", task, number),
        twilio(second + 1, "task-queue.entered", task, number),
        twilio(second + 4, "reservation.created", task, number, worker_sid="WK1"),
        twilio(second + 6, "reservation.accepted", task, number, worker_sid="WK1"),
        twilio(second + 90, "reservation.wrapup", task, number, worker_sid="WK1"),
        twilio(second + 95, "reservation.completed", task, number, worker_sid="WK1"),
        twilio(second + 96, "task.completed", task, number),
    ]


def connect(second: float, name: str, contact: str, root: str, key: str, **fields: Any) -> VendorRecord:
    detail = {
        "contactId": contact,
        "initialContactId": root,
        "channel": "VOICE",
        "instanceArn": "arn:i",
        "eventType": name,
    }
    instant = f"2026-03-02T07:{int(second) // 60:02}:{int(second) % 60:02}.000Z"
    whole = {"detail-type": "Amazon Connect Contact Event", "time": instant, "detail": detail | fields}
    return VendorRecord(BEGIN + second, "amazon-connect", key.encode(), orjson.dumps(whole))


def connect_chain(second: float, first: str, number: str) -> list[VendorRecord]:
    """A call that an agent transfers, as two contacts, each keyed by its own id: they may be in any two partitions."""
    second_id = f"{first}-next"
    ann, bob = ({"agentInfo": {"agentArn": f"arn:i/agent/{name}"}} for name in ("ann", "bob"))
    inbound: dict[str, Any] = {"initiationMethod": "INBOUND", "customerEndpoint": {"address": number}}
    moved: dict[str, Any] = {"initiationMethod": "TRANSFER", "previousContactId": first}
    return [
        connect(second, "INITIATED", first, first, first, **inbound),
        connect(second + 5, "CONNECTED_TO_AGENT", first, first, first, **inbound, **ann),
        connect(second + 60, "INITIATED", second_id, first, second_id, **moved),
        connect(
            second + 61, "DISCONNECTED", first, first, first, disconnectReason="AGENT_DISCONNECT", **inbound, **ann
        ),
        connect(second + 70, "CONNECTED_TO_AGENT", second_id, first, second_id, **moved, **bob),
        connect(
            second + 200,
            "DISCONNECTED",
            second_id,
            first,
            second_id,
            disconnectReason="CUSTOMER_DISCONNECT",
            **moved,
            **bob,
        ),
    ]


def freeswitch(second: float, number: int, name: str, call: str, **headers: str) -> VendorRecord:
    event = {
        "Event-Name": name, "Core-UUID": "core", "FreeSWITCH-Hostname": "fs1", "Event-Sequence": str(number),
        "Event-Date-Timestamp": str(int((BEGIN + second) * 1_000_000)), "Channel-Call-UUID": call, "Unique-ID": call,
    }  # fmt: skip
    value = orjson.dumps(event | {name.replace("_", "-"): text for name, text in headers.items()})
    return VendorRecord(BEGIN + second, "freeswitch", b"fs1", value)


def canonical(second: float, type_: str, subject: str, event_id: str, **data: Any) -> Event:
    minute, rest = divmod(int(second), 60)
    return {
        "specversion": "1.0", "id": event_id, "source": "producer", "type": type_, "subject": subject,
        "time": f"2026-03-02T07:{minute:02}:{rest:02}Z", "data": data,
    }  # fmt: skip


# --- what is one across ids -----------------------------------------------------------------------------------------


def attended_transfer(n: int = 0) -> Scene:
    """Two Linkedids of Asterisk's: an agent calls another and hands the customer over."""
    call, consult, number = f"{BEGIN}.{n}1", f"{BEGIN}.{n}2", f"0163296{n:04}"
    hand_over = {
        "Result": "Success", "DestType": "Bridge", "TransfereeLinkedid": call, "OrigTransfererLinkedid": call,
        "OrigTransfererUniqueid": f"{call}-b", "SecondTransfererLinkedid": consult,
        "TransferTargetUniqueid": f"{consult}-t", "TransferTargetChannel": "PJSIP/1603-00000009",
    }  # fmt: skip
    records = ami_call(0, call, number, "bob", 120)
    records[4:4] = [
        ami(40, "Newchannel", consult, consult, CallerIDNum="1602", Exten="1603"),
        ami(60, "AttendedTransfer", call, call, **hand_over),
        ami(61, "Hangup", consult, consult),
    ]
    return Scene(records, [], {call})


def contact_chain(n: int = 0) -> Scene:
    return Scene(connect_chain(100, f"contact-{n}", f"+4416329617{n:02}"), [], {f"contact-{n}"})


def resumed_caller(n: int = 0) -> Scene:
    """Who gave up in the queue calls again, and gets the place back: two calls, one interaction."""
    first, again = f"fs-{n}-first", f"fs-{n}-again"
    who = {"Caller_Caller_ID_Number": f"0163297{n:04}", "Caller_Destination_Number": "200", "Call_Direction": "inbound"}
    queue = {
        "Event_Subclass": "callcenter::info", "CC_Queue": "q", "CC_Member_UUID": f"member-{n}",
        "CC_Member_CID_Number": f"0163297{n:04}",
    }  # fmt: skip
    steps = [
        (0, "CHANNEL_CREATE", first, who),
        (1, "CUSTOM", first, queue | {"CC_Action": "member-queue-start"}),
        (
            30,
            "CUSTOM",
            first,
            queue | {"CC_Action": "member-queue-end", "CC_Cause": "Cancel", "CC_Cancel_Reason": "NONE"},
        ),
        (30, "CHANNEL_HANGUP_COMPLETE", first, {}),
        (90, "CHANNEL_CREATE", again, who),
        (91, "CUSTOM", again, queue | {"CC_Action": "member-queue-resume"}),
        (
            150,
            "CUSTOM",
            again,
            queue | {"CC_Action": "member-queue-end", "CC_Cause": "Cancel", "CC_Cancel_Reason": "TIMEOUT"},
        ),
        (151, "CHANNEL_HANGUP_COMPLETE", again, {}),
    ]
    records = [
        freeswitch(second, n * 100 + place, name, call, **{**headers, "CC_Member_Session_UUID": call})
        for place, (second, name, call, headers) in enumerate(steps)
    ]
    return Scene(records, [], {first, again})


def warm_transfer(n: int = 0) -> Scene:
    task, number = f"WT-warm-{n}", f"+4416329613{n:02}"
    cold = {"transfer_initiating_worker_sid": "WK1", "transfer_to": "WK2", "transfer_mode": "COLD"}
    steps: list[tuple[float, str, dict[str, str]]] = [
        (0, "task.created", {}),
        (2, "reservation.accepted", {"worker_sid": "WK1"}),
        (30, "task.transfer-initiated", cold),
        (40, "task.transfer-completed", cold),
        (40.5, "reservation.accepted", {"worker_sid": "WK2", **cold}),
        (90, "reservation.wrapup", {"worker_sid": "WK2"}),
        (91, "task.completed", {}),
    ]
    # each event keyed by itself: they lie in different partitions
    return Scene([twilio(s, name, task, number, key=f"{task}{s}", **more) for s, name, more in steps], [], {task})


def conference(n: int = 0) -> Scene:
    """A call of Asterisk's is merged into a call that a producer of our own tells of."""
    call, other, number = f"{BEGIN}.{n}7", f"own-{n}", f"0163295{n:04}"
    party = {"address": f"tel:+44163295{n:04}"}
    events = [
        canonical(0, "call.offered", other, f"o{n}1", direction="inbound", party=party),
        canonical(50, "call.alias", call, f"o{n}2", to=other),
        canonical(130, "call.ended", other, f"o{n}3"),
    ]
    return Scene(ami_call(10, call, number, "eve"), events, {other})


# --- one party across vendors ---------------------------------------------------------------------------------------


def one_party(n: int = 0) -> Scene:
    """A call on Asterisk, a chat on Twilio, an email to the shared mailbox."""
    call, task, mail = f"{BEGIN}.{n}9", f"WT-party-{n}", f"mail-{n}"
    number, address = f"+4416329619{n:02}", f"mailto:ann{n}@customer.example"
    known = {"id": f"party-{n}", "name": "Ann"}
    sender = {"address": address, "name": "Ann"}
    events = [
        canonical(0, "party.identified", f"tel:{number}", f"p{n}1", **known),
        canonical(0, "party.identified", address, f"p{n}2", **known),
        canonical(
            100,
            "email.offered",
            mail,
            f"p{n}3",
            direction="inbound",
            party=sender,
            dialed="mailto:service@shop.example",
        ),
        canonical(400, "email.sent", mail, f"p{n}4", kind="reply", resource={"id": "joe", "kind": "agent"}),
        canonical(401, "email.ended", mail, f"p{n}5", reason="answered"),
    ]
    records = [*ami_call(10, call, "0" + number[3:], "joe", 200), *twilio_chat(500, task, number)]
    return Scene(records, events, {call, task, mail})


SCENES = (attended_transfer, contact_chain, resumed_caller, warm_transfer, conference, one_party)
