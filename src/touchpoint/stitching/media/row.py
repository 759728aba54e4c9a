"""What a row of the rule table is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from touchpoint.stitching.facts import Fact
from touchpoint.stitching.media.timeline import Timeline
from touchpoint.stitching.verbs import Verb


class Given(NamedTuple):
    """An end reason that the event itself gives in a field of its data; `default` where it gives none."""

    default: str
    field: str = "reason"
    form: str = "{}"

    def of(self, fact: Fact) -> str:
        given = fact.data.get(self.field)
        return self.form.format(given) if given else self.default

    def __str__(self) -> str:
        return f"`{self.form.format(f'<{self.field}>')}`, else `{self.default}`"


Reason = str | Given


class Row(NamedTuple):
    """One line of the rule table (stitching.md, 2).

    `closes` gives what is closed, by segment type, with the end reason; "customer track" stands for whatever is open
    on it, "everything" for all but wrap_up. What is inside a with_agent closes with its reason.
    """

    number: int
    verb: Verb
    case: str  # which of the verb's events, in words; "" for all
    when: Callable[[Timeline, Fact], bool] | None  # the same as a condition; None for all that no other row takes
    closes: Mapping[str, Reason]
    opens: str
    exactly: str
    apply: Callable[[Timeline, Fact, Row], None]

    def why(self, what: str, fact: Fact) -> str:
        """The end reason of a segment that this row closes."""
        reason = self.closes[what]
        return reason if type(reason) is str else reason.of(fact)  # type: ignore[union-attr]
