"""What an item says of itself beside its timeline: identity, messages, pages, end reason, conferences."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from touchpoint.stitching.facts import EARLIEST, LATEST, Fact
from touchpoint.stitching.limits import Profile
from touchpoint.stitching.media.flags import Flag
from touchpoint.stitching.media.model import ResourceFigures
from touchpoint.stitching.media.timeline import SAME_MOMENT, OpenSegment, Timeline
from touchpoint.stitching.verbs import Verb

RESULTS: tuple[Verb, ...] = ("transmitted", "transmission_failed")
SENDINGS: tuple[Verb, ...] = ("sent",)
ATTEMPTS: tuple[Verb, ...] = ("dialing", "connected", "failed")
"""Outbound, whatever the item says of its direction: what they dialed is the party's own number."""


def identity(facts: list[Fact], item_id: str, like: Profile) -> tuple[str | None, str | None, str | None, str | None]:
    """Direction, dialed, campaign and thread: the first that any of its own events names."""
    direction = dialed = campaign = thread = None
    for fact in facts:
        if fact.subject != item_id:
            continue
        data = fact.data
        direction = direction or data.get("direction")
        if fact.verb not in ATTEMPTS:
            dialed = dialed or data.get("dialed")
        campaign = campaign or data.get("campaign")
        thread = thread or (_thread(fact) if like == "email" else None)
    return direction, dialed, campaign, _vendors_thread(facts) or thread


def _thread(fact: Fact) -> str | None:
    """The message that the thread began with, as far as the mail itself tells."""
    references = fact.data.get("references")
    if references:
        return references[0]  # type: ignore[no-any-return]
    return fact.data.get("in_reply_to") or fact.data.get("message_id")


def _vendors_thread(facts: Iterable[Fact]) -> str | None:
    return next((f.data["related"]["thread"] for f in facts if f.data.get("related", {}).get("thread")), None)


def messages(facts: list[Fact]) -> tuple[int, int, int | None]:
    """Messages of the customer and of agents, and how long the customer waited for the first answer, in ms."""
    asked = None
    answered = None
    customer = agent = 0
    for fact in facts:
        if fact.verb != "message":
            continue
        if fact.data.get("role") == "customer":
            customer += 1
            asked = fact.time if asked is None else asked
        elif fact.data.get("role") == "agent":
            agent += 1
            if answered is None and asked is not None:
                answered = fact.time
    return customer, agent, None if answered is None or asked is None else (answered - asked) // 1000


def result(facts: list[Fact]) -> tuple[int | None, str | None]:
    """Pages and complete, partial or failed, of a fax's final result."""
    final = next((f for f in reversed(facts) if f.verb in RESULTS), None)
    if final is None:
        return None, None
    pages, total = final.data.get("pages"), final.data.get("total_pages")
    if final.verb == "transmitted":
        return pages, "partial" if pages is not None and total is not None and pages < total else "complete"
    return pages, "partial" if pages else "failed"


def senders(facts: list[Fact], bots: set[str], verbs: Collection[Verb]) -> dict[str, ResourceFigures]:
    """Who sent or received a fax by its results, or sent a mail, even if they were never connected."""
    found: dict[str, ResourceFigures] = {}
    for fact in facts:
        resource = fact.data.get("resource")
        if resource is not None and fact.verb in verbs and resource["id"] not in found:
            bot = resource["id"] in bots
            found[resource["id"]] = ResourceFigures(0, 0, None, 0, fact.time, connected=False, bot=bot)
    return found


def end_reason(timeline: Timeline, facts: list[Fact]) -> str | None:
    """As `ended` gives it, else `disconnected`, else who disconnected; without either that of the last segment."""
    if timeline.ending_event is None:
        if Flag.TIMED_OUT in timeline.flags:
            return "timed_out"
        if timeline.profile == "email" and (kinds := [f.data.get("kind", "reply") for f in facts if f.verb == "sent"]):
            return "sent" if kinds[-1] == "new" else "replied"
        last = [s for s in timeline.segments if s.type not in ("routing", "wrap_up") and s.end == timeline.end]
        return max(last, key=_closed).reason if last else None
    verbs: tuple[Verb, ...] = ("ended", "disconnected")
    for verb in verbs:
        given = next((f.data["reason"] for f in facts if f.verb == verb and "reason" in f.data), None)
        if given is not None:
            return given  # type: ignore[no-any-return]
    disconnected = next((f for f in facts if f.verb == "disconnected"), None)
    if disconnected is not None and "by" in disconnected.data:
        return f"{disconnected.data['by']}_disconnected"
    return "customer_disconnected" if timeline.ending_event.verb == "left" else timeline.ending_event.verb


def _closed(span: OpenSegment) -> tuple[int, str]:
    return (-span.depth, span.track)


def overlaps(timeline: Timeline) -> None:
    """Agents connected beside another without transfer or join: a conference, inferred, if for more than 2 s."""
    beside = {id(span) for span in timeline.concurrent_answers if span.transferred_from is None}
    agents = [span for span in timeline.segments if span.type == "with_agent" and span.agent not in timeline.bots]
    reached = EARLIEST
    for span in agents:
        if id(span) in beside and min(reached, span.end) - span.start > SAME_MOMENT:
            _infer_conference(span)
        reached = max(reached, span.end)
    following = LATEST
    for span in reversed(agents):
        if span.end - following > SAME_MOMENT:
            _infer_conference(span)
        if id(span) in beside and span.end - span.start > SAME_MOMENT:
            following = span.start


def _infer_conference(span: OpenSegment) -> None:
    if not span.conference:
        span.conference, span.provenance = True, "inferred"
