"""The pages that show history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, model_validator

from touchpoint.stitching.record import FIRST_VERSION, RECORD_VERSION, content_hash, from_json
from touchpoint.web import cursors
from touchpoint.web.api.interaction import explanation, found_in
from touchpoint.web.api.lists import described
from touchpoint.web.api.parties import document as party_document
from touchpoint.web.api.parties import party_in, tsquery
from touchpoint.web.authentication import Auditing, Reading
from touchpoint.web.documents import path, with_query
from touchpoint.web.filters import Filters, Text, names
from touchpoint.web.page.lanes import WIDTH, drawing
from touchpoint.web.page.rendering import page
from touchpoint.web.page.strips import strip
from touchpoint.web.problems import ProblemError
from touchpoint.web.service import Service
from touchpoint.web.view import Access, Place, View
from touchpoint.web.viewer import Viewer

router = APIRouter(include_in_schema=False)
SHOWN = 30  # interactions a page
STRIP = 300  # contacts in the strip of the last year
Id = Annotated[Text, Path()]


class PageFilters(Filters):
    """Filters of a list in the page, and where it goes on. An empty field of the form is no filter."""

    cursor: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _given(cls, members: Any) -> Any:
        return {name: value for name, value in members.items() if value != ""} if isinstance(members, dict) else members


@router.get("/")
async def find(request: Request, viewer: Reading, q: Annotated[str, Query(max_length=500)] = "") -> Response:
    """One box; what is an id of an interaction or a media item is shown at once."""
    asked = q.replace("\0", "").strip()
    if not asked:
        return page(request, "find", viewer, {"q": "", "parties": None, "latest": await latest(request, viewer)})
    service: Service = request.app.state.service
    async with service.views.begin(viewer) as view:
        place = await view.find(asked)
        rows = await view.parties(names(asked, service.plan), tsquery(asked), None, 50) if place is None else []
        parties = [party_document(row) for row in rows if row["party_key"] is not None]
        await view.log(Access("page", "find", None, [one["key"] for one in parties]))
    if place is not None:
        return redirect(f"/interactions/{place.interaction_id}")
    if len(parties) == 1:
        return redirect(f"/parties/{parties[0]['key']}")
    return page(request, "find", viewer, {"q": asked, "parties": parties, "latest": []})


async def latest(request: Request, viewer: Viewer) -> list[dict[str, Any]]:
    """The interactions that closed last."""
    service: Service = request.app.state.service
    async with service.views.begin(viewer) as view:
        lines = await view.lines(await view.search({}, None, 10))
        await view.log(Access("page", "latest", None, [line["party_key"] for line in lines]))
    return lines


@router.get("/parties/{key}")
async def party(request: Request, viewer: Reading, key: Id, query: Annotated[PageFilters, Query()]) -> Response:
    """A party's history, and who it is."""
    service: Service = request.app.state.service
    async with service.views.begin(viewer) as view:
        known = await party_in(view, names(key, service.plan))
        shown = await listed(request, view, query, party=known["key"])
        year = await last_year(view, {"party": [known["key"]]})
        await view.log(Access("page", "party", described(query), [known["key"]]))
    title = known["name"] or known["id"] or next(iter(known["addresses"]), None) or f"party {known['key'][:12]}"
    return page(request, "history", viewer, shown | {"title": title, "kind": "party", "known": known, "strip": year})


@router.get("/accounts/{id}")
async def account(request: Request, viewer: Reading, id: Id, query: Annotated[PageFilters, Query()]) -> Response:
    """An account's history."""
    return await history(request, viewer, query, ("account", id), account=id)


@router.get("/objects/{type}/{id}")
async def business_object(
    request: Request,
    viewer: Reading,
    type: Id,
    id: Id,
    query: Annotated[PageFilters, Query()],
) -> Response:
    """A business object's history, with the link that the settings have for its type."""
    return await history(request, viewer, query, (type, id), object_type=type, object_id=id)


@router.get("/interactions")
async def all_interactions(request: Request, viewer: Reading, query: Annotated[PageFilters, Query()]) -> Response:
    """All interactions, with filters: what a bar of a chart leads to."""
    return await history(request, viewer, query, ("interactions", ""))


async def history(
    request: Request, viewer: Viewer, query: PageFilters, kind: tuple[str, str], **fixed: Any
) -> Response:
    """The list of what is no party."""
    service: Service = request.app.state.service
    async with service.views.begin(viewer) as view:
        shown = await listed(request, view, query, **fixed)
        year = await last_year(view, fixed) if fixed else None
        keys = [line["party_key"] for line in shown["lines_shown"]]
        await view.log(Access("page", " ".join(kind).strip()[:200], described(query), keys))
    known = {"link": link(service.settings.object_links, *kind)}
    title = " ".join(kind).replace("_", " ").strip()
    return page(request, "history", viewer, shown | {"title": title, "kind": kind[0], "known": known, "strip": year})


async def listed(request: Request, view: View, query: PageFilters, **fixed: Any) -> dict[str, Any]:
    """Lines of a list, and where it goes on."""
    service: Service = request.app.state.service
    asked = query.model_copy(update=fixed)
    after = None if not query.cursor else cursors.decode(query.cursor)
    places = await view.search(asked.wanted(service.plan), after, SHOWN + 1)
    given = query.model_dump(mode="json", exclude_none=True, by_alias=True, exclude={"cursor"})
    members = asked.model_dump(mode="json", exclude_none=True, by_alias=True, exclude={"cursor"})
    more = len(places) > SHOWN
    following = with_query(request.url.path, given | {"cursor": cursors.encode(places[SHOWN - 1])}) if more else None
    exports = {
        kind: with_query(path("export", "interactions"), members | {"format": kind})
        for kind in ("csv", "jsonl", "parquet")
    }
    return {"lines_shown": await view.lines(places[:SHOWN]), "next": following, "given": given, "exports": exports}


async def last_year(view: View, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """The strip of the last year's contacts by channel."""
    now = datetime.now(UTC)
    since = now - timedelta(days=365)
    rows = await view.contacts({**wanted, "from": since.isoformat()}, STRIP)
    return strip([(at, channel or "activity") for at, channel in rows], since, now)


class Drawn(BaseModel):
    """What of an interaction is drawn, and whether its hash is to be computed again."""

    item: Text | None = None
    verify: bool = False


@router.get("/interactions/{id}")
async def interaction(request: Request, viewer: Reading, id: Id, query: Annotated[Drawn, Query()]) -> Response:
    """An interaction: its timeline, or that of one of its media items, and the same as tables."""
    service: Service = request.app.state.service
    async with service.views.begin(viewer) as view:
        whole = await found_in(view, id)
        record = whole["record"]
        [line] = await view.lines([Place(datetime.fromisoformat(record["ended_at"]), record["interaction_id"])])
        children = await view.lines(await view.search({"parent": record["interaction_id"]}, None, 50))
        keys = [record["party_key"], *(child["party_key"] for child in children)]
        await view.log(Access("page", "interaction", record["interaction_id"], keys))
    agents = dict(whole["identity"]["agents"])
    same = has_its_hash(record) if query.verify else None
    items, objects = service.settings.item_links, service.settings.object_links
    members = {
        "record": record,
        "line": line,
        "amendments": whole["amendments"],
        "agents": agents,
        "children": children,
        "drawing": drawing(record, agents, query.item),
        "width": WIDTH,
        "item": query.item,
        "why": explanation(whole),
        "verified": same,
        "item_links": {
            one["media_item_id"]: link(items, one["channel"], one["media_item_id"]) for one in record["media_items"]
        },
        "object_links": {
            one["object_id"]: link(objects, one["object_type"], one["object_id"]) for one in record["objects"]
        },
    }
    return page(request, "interaction", viewer, members)


def has_its_hash(record: dict[str, Any]) -> bool:
    """Whether the content hash, computed again, is the one that is stored. Raises ProblemError for what a later release
    stored.
    """
    version = record["record_version"] or FIRST_VERSION
    if version > RECORD_VERSION:
        raise ProblemError(
            503, f"record version {version} is later than {RECORD_VERSION}, the latest known here: upgrade"
        )
    stored: str = record["content_hash"]
    return content_hash(from_json(record)) == stored


@router.get("/accesses")
async def accesses(request: Request, viewer: Auditing, party: Annotated[str, Query(max_length=500)] = "") -> Response:
    """The log of accesses, for an auditor: all, or of one party by its opaque key."""
    service: Service = request.app.state.service
    async with service.views.begin(viewer) as view:
        rows = await view.rows("accesses", party.replace("\0", "") or None)
    return page(request, "accesses", viewer, {"rows": rows, "party": party})


def link(templates: Mapping[str, str], kind: str, id_: str) -> str | None:
    """Where something is shown elsewhere, as the settings say."""
    template = templates.get(kind)
    return None if template is None else template.replace("{id}", quote(id_, safe=""))


def redirect(where: str) -> Response:
    """To another page of ours."""
    return Response(status_code=303, headers={"Location": where, "Cache-Control": "no-store"})
