"""Every event type of contract.md 3 is known where the contract says, needs what it says, and nothing else is known."""

from __future__ import annotations

from typing import Any

import pytest
from canonical_events import DECODER, accepted, refused, smallest_event

from touchpoint.events import Decoder, event_types

# the contract's own table, written down a second time on purpose
ON = {
    "all": "offered queued dequeued alerting alert_ended answered transferred released disconnected ended "
    "wrapup_started wrapup_ended alias summary",
    "call chat": "ivr_entered ivr_exited held retrieved joined left",
    "call": "consult_started consult_answered consult_ended parked unparked voicemail_started voicemail_ended",
    "call fax": "dialing connected failed",
    "email fax": "draft_started draft_discarded sent",
    "fax": "transmission_started page transmitted transmission_failed",
    "chat": "message",
}
BUILT_IN = ("call", "email", "fax", "chat")
VERBS = [(verb, BUILT_IN if on == "all" else tuple(on.split())) for on, verbs in ON.items() for verb in verbs.split()]
OTHERS = (
    "activity.recorded activity.started activity.ended interaction.opened interaction.wrapped_up "
    "interaction.close_requested party.identified party.merged party.erasure_requested source.heartbeat source.flushed"
).split()


def test_the_types_are_those_of_the_contract_and_no_others() -> None:
    expected = {f"{channel}.{verb}" for verb, on in VERBS for channel in on} | set(OTHERS)
    assert set(event_types()) == expected


@pytest.mark.parametrize("name", event_types())
def test_the_smallest_event_of_each_type_is_accepted(name: str) -> None:
    fact = accepted(smallest_event(name))
    assert f"{fact.kind}.{fact.verb}" == name


@pytest.mark.parametrize(("verb", "on"), VERBS)
def test_a_verb_is_a_dead_letter_on_the_channels_that_do_not_have_it(verb: str, on: tuple[str, ...]) -> None:
    for channel in set(BUILT_IN) - set(on):
        letter = refused(smallest_event(f"{channel}.{verb}"))
        assert letter.code == "type"
        assert f"'{channel}.{verb}' is not an event type; {verb} is known on {on[0]}" in letter.cause


@pytest.mark.parametrize("verb", [verb for verb, _ in VERBS])
def test_a_configured_channel_knows_every_verb(verb: str) -> None:
    assert accepted(smallest_event(f"sms.{verb}")).kind == "sms"
    assert refused(smallest_event(f"video.{verb}")).code == "type"


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("call.anwsered", "'call.anwsered' is not an event type; did you mean call.answered?"),
        ("telex.offered", "it begins with one of call, email, fax, chat, sms, activity, interaction, party, source"),
        ("party.answered", "answered is known on call, email"),
        ("Call.Answered", "is not an event type"),
        ("answered", "is not an event type"),
        ("", "is not an event type"),
        ("call.", "is not an event type"),
        ("interaction.closed", "is not an event type"),
    ],
)
def test_an_unknown_type_is_a_dead_letter_that_says_what_is_known(name: str, cause: str) -> None:
    letter = refused(smallest_event("call.offered") | {"type": name})
    assert letter.code == "type"
    assert cause in letter.cause


@pytest.mark.parametrize("name", [n for n in event_types() if n.partition(".")[0] not in ("activity", "source")])
def test_a_subject_is_required_of_media_interactions_and_parties(name: str) -> None:
    for subject in (None, ""):
        event = smallest_event(name, subject=subject)
        letter = refused(event)
        assert letter.cause in (f"subject is missing; {name} needs it", "subject is empty")


@pytest.mark.parametrize(
    "name", ["activity.recorded", "activity.started", "activity.ended", "source.heartbeat", "source.flushed"]
)
def test_a_subject_is_not_required_of_activities_and_heartbeats(name: str) -> None:
    assert accepted(smallest_event(name, subject=None)).subject == ""


REQUIRED = [
    ("call.answered", "resource"),
    ("call.alerting", "resource"),
    ("chat.message", "role"),
    ("call.alias", "to"),
    ("activity.recorded", "activity"),
    ("activity.recorded", "action"),
    ("activity.ended", "activity"),
    ("party.identified", "id"),
    ("party.merged", "from"),
    ("party.merged", "into"),
]


@pytest.mark.parametrize(("name", "field"), REQUIRED)
def test_a_required_field_that_is_missing_or_null_is_named(name: str, field: str) -> None:
    event = smallest_event(name)
    for data in ({k: v for k, v in event["data"].items() if k != field}, event["data"] | {field: None}):
        letter = refused(event | {"data": data})
        assert (letter.code, letter.cause) == ("missing", f"data.{field} is missing; {name} needs it")


ENUMERATED = [
    ("call.offered", "direction", "inbound outbound internal"),
    ("call.dequeued", "reason", "answered abandoned timeout empty key overflow withdrawn transferred callback"),
    ("call.alert_ended", "reason", "no_answer rejected busy canceled rescinded failed bridge_failed"),
    ("call.transferred", "kind", "blind attended"),
    ("call.joined", "role", "agent customer supervisor external"),
    ("call.joined", "mode", "normal monitor coach barge"),
    ("email.sent", "kind", "reply forward auto_reply new"),
    ("chat.message", "role", "customer agent bot"),
    ("call.disconnected", "by", "customer agent system network"),
]


@pytest.mark.parametrize(("name", "field", "values"), ENUMERATED)
def test_an_enumerated_field_takes_the_contract_s_values_and_names_them_when_it_refuses(
    name: str, field: str, values: str
) -> None:
    event = smallest_event(name)
    data = event.get("data", {})
    for value in values.split():
        assert accepted(event | {"data": data | {field: value}}).data[field] == value
    letter = refused(event | {"data": data | {field: "sideways"}})
    assert letter.code == "value"
    assert letter.cause == f"data.{field} is 'sideways'; allowed: {', '.join(values.split())}"


def test_reason_is_free_text_where_the_contract_lists_nothing() -> None:
    assert accepted(smallest_event("call.ended", data={"reason": "Q.850;cause=16"})).data == {
        "reason": "Q.850;cause=16"
    }


@pytest.mark.parametrize("name", ["Sms", "sms.de", "", "1st", "activity", "party", "source", "interaction", "a" * 41])
def test_a_channel_that_cannot_be_named_so_is_refused_at_the_start(name: str) -> None:
    with pytest.raises(ValueError, match="channel"):
        Decoder(channels=[name])


def test_a_region_that_does_not_exist_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="region 'XX': use an ISO 3166 country code"):
        Decoder(default_region="XX")
    with pytest.raises(ValueError, match="region 'gb'"):
        Decoder(default_region="gb")


def test_data_is_kept_under_the_contract_s_names() -> None:
    data: dict[str, Any] = {
        "direction": "inbound",
        "party": {"address": "tel:+441632960960", "id": "p1", "name": "Alice"},
        "resource": {"id": "john", "name": "John Doe", "kind": "agent"},
        "queue": "sales",
        "reason": "blind",
        "related": {"parent": "c0", "previous": "c8", "thread": "t1", "resumes": "c9"},
        "campaign": "spring",
        "kind": "attended",
        "to": {"resource": {"id": "rhonda", "kind": "bot"}, "queue": "billing", "address": "tel:+441632960961"},
    }
    assert accepted(smallest_event("call.transferred", data=data)).data == data
    assert DECODER.channels == ("call", "email", "fax", "chat", "sms")
