"""What a fact holds of an event: one spelling for everything that means the same (contract.md 2 and 3)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from canonical_events import accepted, refused, smallest_event

from touchpoint.events import NumberPlan, dialed_address, party_address, spellings

NUMBER = "+441632960960"


def offered(**data: Any) -> dict[str, Any]:
    """The data of the fact of an offered call with this data."""
    return accepted(smallest_event("call.offered", data=data)).data


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("01632 960960", f"tel:{NUMBER}"),
        ("(01632) 960-960", f"tel:{NUMBER}"),
        ("+44 1632 960960", f"tel:{NUMBER}"),
        ("+44 (0)1632 960960", f"tel:{NUMBER}"),
        ("0044 1632 960960", f"tel:{NUMBER}"),
        ("  tel:01632960960 ", f"tel:{NUMBER}"),
        ("TEL:+44-1632-960960", f"tel:{NUMBER}"),
        ("tel:+441632960960;ext=5", f"tel:{NUMBER}"),
        ("+44 1632 960960 x22", f"tel:{NUMBER}"),
        ("01632960960 ext. 22", f"tel:{NUMBER}"),
        ("\u200e\uff0b\uff14\uff14\u00a01632\u2011960960", f"tel:{NUMBER}"),
        (f"fax:{NUMBER}", f"tel:{NUMBER}"),
        ("fax:01632 960960", f"tel:{NUMBER}"),
        ("+1 202 555 0123", "tel:+12025550123"),
        ("+39 06 6982", "tel:+39066982"),
        ("7042", "tel:7042"),
        ("tel:112", "tel:112"),
        ("Alice@Example.COM", "mailto:alice@example.com"),
        ("mailto:Alice@Example.com?subject=hello", "mailto:alice@example.com"),
        ("Alice Doe <Alice@example.com>", "mailto:alice@example.com"),
        ("private@example.com", "mailto:private@example.com"),
        ("sip:Bob@pbx.example.com;user=phone", "sip:Bob@pbx.example.com;user=phone"),
        ("SIP:bob@pbx", "sip:bob@pbx"),
        ("chat:web/abC", "chat:web/abC"),
        ("whatsapp:+441632960960", f"tel:{NUMBER}"),
        ("whatsapp:441632960960", f"tel:{NUMBER}"),
        ("441632960960@s.whatsapp.net", f"tel:{NUMBER}"),
        ("sms:+44 1632-960960", f"tel:{NUMBER}"),
        ("sms:12345", "sms:12345"),
        ("sip:+441632960960@sbc.example.net;user=phone", f"tel:{NUMBER}"),
        ("sips:%2B441632960960@10.0.0.1:5061;transport=tls", f"tel:{NUMBER}"),
        ("sip:+44(1632)960-960;phone-context=x@host", f"tel:{NUMBER}"),
        ('"Ann Lee" <sip:+441632960960@host;user=phone>', f"tel:{NUMBER}"),
        ("<sip:+441632960960@host>", f"tel:{NUMBER}"),
        ("<tel:+441632960960>", f"tel:{NUMBER}"),
        ("sip:01632960960@host;user=phone", f"tel:{NUMBER}"),
        ("sip:1001@pbx.example.com", "sip:1001@pbx.example.com"),
        ("441632960960", f"tel:{NUMBER}"),
        ("+52 1 55 1234 5678", "tel:+525512345678"),
        ("whatsapp:5215512345678", "tel:+525512345678"),
        ("+52 55 1234 5678", "tel:+525512345678"),
        ("+55 11 8765-4321", "tel:+5511987654321"),
        ("+55 11 98765-4321", "tel:+5511987654321"),
        ("+55 11 3765-4321", "tel:+551137654321"),
        ("+54 9 11 2345-6789", "tel:+541123456789"),
        ("+54 11 2345-6789", "tel:+541123456789"),
    ],
)
def test_a_party_s_address_has_one_spelling(written: str, address: str) -> None:
    assert offered(party={"address": written}) == {"party": {"address": address}}
    assert party_address(address, NumberPlan()) == address


@pytest.mark.parametrize(
    "withheld",
    "anonymous|Restricted|unknown|withheld|PRIVATE|unavailable||   |0|00000000|tel:anonymous|tel:|+266696687|+|"
    "sip:anonymous@anonymous.invalid|sip:Restricted@10.0.0.1|john|@|alice@|1-800-FLOWERS|<>|"
    "anonymous@anonymous.invalid|Anonymous <sip:anonymous@anonymous.invalid>|sips:c8oqz84zk7z@anonymous.invalid:5060|"
    "<sip:anonymous@anonymous.invalid;user=phone>|mailto:anonymous@anonymous.invalid|266696687|"
    "sip:unavailable@unknown.invalid|Anonymous@Anonymous.Invalid.".split("|"),
)
def test_a_withheld_number_is_a_party_without_an_address_and_not_an_error(withheld: str) -> None:
    assert offered(party={"address": withheld, "name": "A caller"}) == {"party": {"name": "A caller"}}
    assert offered(party={"address": withheld}) == {}


def test_dialed_addresses_keep_their_scheme_and_lines_their_name() -> None:
    assert offered(dialed=f"fax:{NUMBER}")["dialed"] == f"fax:{NUMBER}"
    assert offered(dialed="fax:01632960960")["dialed"] == f"fax:{NUMBER}"
    assert offered(dialed="01632 960960")["dialed"] == f"tel:{NUMBER}"
    assert offered(dialed="Sales@Example.com")["dialed"] == "mailto:sales@example.com"
    assert offered(dialed="AA0101")["dialed"] == "AA0101"
    assert dialed_address("main menu", NumberPlan()) == "main menu"


def test_null_empty_text_and_empty_lists_are_left_out() -> None:
    party: dict[str, Any] = {"address": None, "id": "", "name": None}
    data: dict[str, Any] = {
        "party": party,
        "queue": "",
        "reason": None,
        "references": [],
        "related": {},
        "reported": {},
    }
    assert offered(**data) == {}
    assert accepted(smallest_event("fax.page", data={"pages": 0, "attempt": 0})).data == {"pages": 0, "attempt": 0}


def test_equal_content_gives_equal_bytes_whatever_the_order_of_the_fields() -> None:
    data = {"queue": "q", "party": {"name": "A", "id": "p"}, "reported": {"z_ms": 1, "hold_ms": 2, "a": 3}}
    turned = {name: dict(reversed(v.items())) if isinstance(v, dict) else v for name, v in reversed(data.items())}
    event = smallest_event("call.ended", data=data)
    backwards = dict(reversed((event | {"data": turned}).items()))
    assert msgspec.msgpack.encode(accepted(event)) == msgspec.msgpack.encode(accepted(backwards))


def test_instants_in_reported_are_micros_and_claims_unknown_to_the_contract_stay() -> None:
    claims = {"started_at": "2026-01-05T10:00:00+01:00", "left_at": "1970-01-01T00:00:01.5Z", "hold_ms": 0, "code": "x"}
    reported = accepted(smallest_event("call.summary", data={"reported": claims})).data["reported"]
    assert reported == {"started_at": 1767603600_000000, "left_at": 1_500_000, "hold_ms": 0, "code": "x"}


def test_unknown_fields_are_kept_as_they_came_at_every_level() -> None:
    data = {
        "party": {"id": "p", "vip": True},
        "resource": {"id": "a", "skills": ["en", None]},
        "ext": {"b": {"c": 1.5}},
        "note": None,
        "objects": [{"type": "order", "id": "o"}, {"type": "order", "id": "p", "lines": 3}],
        "activity": "a1",
    }
    fact = accepted(smallest_event("activity.ended", data=data, region="eu", partitionkey="k"))
    assert fact.ext == {
        "region": "eu",
        "partitionkey": "k",
        "data": {
            "party": {"vip": True},
            "resource": {"skills": ["en", None]},
            "ext": {"b": {"c": 1.5}},
            "note": None,
            "objects": [{}, {"lines": 3}],
        },
    }
    assert fact.data["objects"] == [{"type": "order", "id": "o"}, {"type": "order", "id": "p"}]


def test_an_activity_s_media_item_is_its_subject_or_its_data() -> None:
    in_subject = accepted(smallest_event("activity.ended"))
    in_data = accepted(smallest_event("activity.ended", subject=None, data={"activity": "a1", "media_item": "c1"}))
    assert in_subject == in_data
    assert (in_data.subject, in_data.data["media_item"]) == ("c1", "c1")
    neither = accepted(smallest_event("activity.ended", subject=None))
    assert (neither.subject, neither.data) == ("", {"activity": "a1"})


def test_an_activity_s_start_and_end_are_micros() -> None:
    data = {"activity": "a1", "started": "1970-01-01T00:00:01Z", "ended": "1970-01-01T01:00:02+01:00"}
    fact = accepted(smallest_event("activity.ended", data=data))
    assert (fact.data["started"], fact.data["ended"]) == (1_000_000, 2_000_000)
    letter = refused(smallest_event("activity.ended", data=data | {"ended": "1970-02-30T00:00:00Z"}))
    assert letter.cause.startswith("data.ended is '1970-02-30")


@pytest.mark.parametrize("verb", ["consult_started", "transferred"])
def test_a_plain_resource_as_target_is_read_as_its_resource(verb: str) -> None:
    plain = accepted(smallest_event(f"call.{verb}", data={"to": {"id": "rhonda", "kind": "agent"}}))
    nested = accepted(smallest_event(f"call.{verb}", data={"to": {"resource": {"id": "rhonda", "kind": "agent"}}}))
    assert plain.data == nested.data == {"to": {"resource": {"id": "rhonda", "kind": "agent"}}}


def test_a_target_s_address_is_normalised_and_an_alias_names_a_media_item() -> None:
    fact = accepted(smallest_event("call.transferred", data={"to": {"address": "01632 960960"}}))
    assert fact.data == {"to": {"address": f"tel:{NUMBER}"}}
    assert accepted(smallest_event("call.alias", data={"to": "01632960960"})).data == {"to": "01632960960"}


def test_a_party_event_s_subject_is_its_address() -> None:
    assert accepted(smallest_event("party.identified", subject=f"fax:{NUMBER}")).subject == f"tel:{NUMBER}"
    for kind in ("identified", "erasure_requested"):
        assert refused(smallest_event(f"party.{kind}", subject="anonymous")).cause.startswith(
            "subject is not an address"
        )
    merged = accepted(smallest_event("party.merged", subject="customer-7"))
    assert (merged.subject, merged.data) == ("customer-7", {"from": "p1", "into": "p2"})


def test_a_message_is_a_compact_fact_that_says_who_wrote_and_when() -> None:
    data = {"role": "agent", "length": 5, "resource": {"id": "john"}, "party": {"id": "p"}, "reason": "x", "odd": 1}
    event = smallest_event("chat.message", data=data, sequence="1", correlationid="k", traceparent="t")
    fact = accepted(event)
    assert fact.data == {"party": {"id": "p"}, "resource": {"id": "john"}, "role": "agent"}
    assert (fact.time, fact.source, fact.subject, fact.sequence) == (1767603600_000000, "/pbx", "c1", "1")
    assert (fact.correlation, fact.ext, fact.recorded) == ("k", {}, None)
    assert len(fact.id) == 16
    assert accepted(event).id == fact.id
    assert accepted(event | {"id": "e2"}).id != fact.id
    assert accepted(event | {"source": "/pbx2"}).id != fact.id
    assert accepted(smallest_event("sms.message")).id == accepted(smallest_event("chat.message")).id


@pytest.mark.parametrize(
    ("region", "written", "address"),
    [
        ("DE", "1001", "tel:1001"),
        ("DE", "123456", "tel:123456"),
        ("AT", "12345", "tel:12345"),
        ("DE", "491773333333", "tel:+491773333333"),
        ("DE", "+491773333333", "tel:+491773333333"),
        ("DE", "01773333333", "tel:+491773333333"),
        ("DE", "00491773333333", "tel:+491773333333"),
        ("DE", "89123456", "tel:+4989123456"),
        ("IN", "919876543210", "tel:+919876543210"),
        ("IN", "9198765432", "tel:+919198765432"),
        ("US", "14155550123", "tel:+14155550123"),
        ("US", "4155550123", "tel:+14155550123"),
        ("US", "1001", "tel:1001"),
        ("ES", "34612345678", "tel:+34612345678"),
        ("IT", "0612345678", "tel:+390612345678"),
        ("MX", "5215512345678", "tel:+525512345678"),
        ("BR", "551187654321", "tel:+5511987654321"),
        ("AR", "011 15 2345-6789", "tel:+541123456789"),
    ],
)
def test_a_number_is_read_as_its_region_dials(region: str, written: str, address: str) -> None:
    plan = NumberPlan(region)
    assert party_address(written, plan) == address
    assert party_address(address, plan) == address


def test_extensions_and_messaging_are_configuration() -> None:
    assert party_address("1234567", NumberPlan("DE", extension_digits=7)) == "tel:1234567"
    apart = NumberPlan(messaging_numbers=False)
    assert party_address("whatsapp:+441632960960", apart) == "whatsapp:+441632960960"


@pytest.mark.parametrize(
    ("written", "earlier"),
    [
        ("+52 55 1234 5678", "tel:+5215512345678"),
        ("+55 11 98765-4321", "tel:+551187654321"),
        ("+54 11 2345-6789", "tel:+5491123456789"),
        (NUMBER, f"whatsapp:{NUMBER}"),
        ("sip:+441632960960@host;user=phone", "sip:+441632960960@host;user=phone"),
    ],
)
def test_a_party_is_found_under_what_an_earlier_release_stored(written: str, earlier: str) -> None:
    found = spellings(written, NumberPlan())
    assert earlier in found
    assert found[0] == party_address(written, NumberPlan())


def test_an_extension_is_found_under_the_number_that_0_1_0_took_it_for() -> None:
    assert spellings("1001", NumberPlan("DE"))[:1] == ("tel:1001",)
    assert "tel:+491001" in spellings("1001", NumberPlan("DE"))
