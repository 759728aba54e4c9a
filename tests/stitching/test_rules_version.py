"""Which rules made a record: of the stitching, and of the dialects of its events."""

from __future__ import annotations

import pytest

from touchpoint.dialects import CAPABILITIES, DIALECTS
from touchpoint.stitching.facts import SECOND, Fact
from touchpoint.stitching.limits import FULL, Limits
from touchpoint.stitching.offline import stitch
from touchpoint.stitching.rules_version import (
    RULES_VERSION,
    Rules,
    dialects_used,
    earlier_rules,
    labelled,
    same_rules,
)

LIMITS = Limits(capabilities=CAPABILITIES)


def test_a_record_names_its_rules_outside_of_its_content_hash() -> None:
    def made(*dialects: str | None) -> dict[str, object]:
        facts = [Fact(n * SECOND, "call", "offered", "pbx", f"e{n}", "c1", dialect=d) for n, d in enumerate(dialects)]
        (record,) = stitch(facts, LIMITS)
        return record

    plain, marked = made(None, None), made("genesys-cloud", "genesys-cloud")
    assert (plain["rules_version"], plain["dialects"]) == (RULES_VERSION, [])
    assert (marked["rules_version"], marked["dialects"]) == (RULES_VERSION, ["genesys-cloud"])
    assert plain["content_hash"] == marked["content_hash"]


def test_of_a_dialect_the_earliest_version_counts_and_what_is_no_dialect_does_not() -> None:
    labels = ["mailbox/3", "mailbox/2", None, "hylafax", "hylafax/2", "mary@example.com", "mailbox/x", "mailbox/²"]
    assert dialects_used(labels[:2], DIALECTS) == ("mailbox/2",)
    assert dialects_used(labels, DIALECTS) == ("hylafax", "mailbox")


@pytest.mark.parametrize("name", sorted(DIALECTS))
def test_a_dialect_has_its_capabilities_whatever_its_version(name: str) -> None:
    for version in (1, 2, 7):
        assert LIMITS.capability(labelled(name, version)) == DIALECTS[name].capabilities
    assert LIMITS.capability("no-dialect/2") == FULL


def test_records_of_0_1_0_are_of_the_first_rules_version() -> None:
    released = Rules(None, None)
    assert same_rules(released, Rules(1, ["mailbox"]))
    assert not same_rules(released, Rules(2, []))
    assert earlier_rules(released, Rules(2, []))
    assert not earlier_rules(Rules(2, []), Rules(2, ["mailbox/2"])), "only one of them says so"
    assert earlier_rules(Rules(2, ["mailbox"]), Rules(2, ["mailbox/2", "hylafax"]))
    assert not earlier_rules(Rules(3, ["mailbox/2"]), Rules(2, ["mailbox"]))
