"""One interaction: its record, its explanation, its vCon; a media item."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from touchpoint.stitching.media.flags import flag_meaning
from touchpoint.stitching.media.rules import rule_text
from touchpoint.web.authentication import Reading
from touchpoint.web.documents import answer, interactions, path
from touchpoint.web.filters import Text
from touchpoint.web.problems import ProblemError
from touchpoint.web.schemas import Explanation, InteractionDocument, MediaItemDocument, VconDocument
from touchpoint.web.service import Service
from touchpoint.web.vcon import vcon
from touchpoint.web.view import Access, View
from touchpoint.web.viewer import Viewer

router = APIRouter(tags=["interactions"])
Id = Annotated[Text, Path(description="of an interaction, or of one of its media items")]


@router.get("/interactions/{id}", response_model=InteractionDocument, summary="An interaction")
async def interaction(request: Request, viewer: Reading, id: Id) -> Response:
    """Its record, what came after its close, and links to its parent and children."""
    return answer(request, await found(request, viewer, id, "interaction"))


@router.get("/interactions/{id}/explain", response_model=Explanation, summary="Why each segment is as it is")
async def explain(request: Request, viewer: Reading, id: Id) -> Response:
    """Each segment with the events and the rules that opened and closed it."""
    return answer(request, explanation(await found(request, viewer, id, "explain")))


@router.get("/interactions/{id}/vcon", response_model=VconDocument, summary="An interaction as a vCon")
async def as_vcon(request: Request, viewer: Reading, id: Id) -> Response:
    """draft-ietf-vcon-vcon-core-04 with draft-ietf-vcon-cc-extension-02; no content, since none is kept."""
    return answer(request, vcon(await found(request, viewer, id, "vcon")))


@router.get("/media-items/{id}", response_model=MediaItemDocument, summary="A media item", tags=["media items"])
async def media_item(request: Request, viewer: Reading, id: Annotated[Text, Path()]) -> Response:
    """A call, an email, a fax, a chat, by the id that its source gave it."""
    whole = await found(request, viewer, id, "media item")
    record = whole["record"]
    item = next((one for one in record["media_items"] if one["media_item_id"] == id), None)
    if item is None:
        raise ProblemError(404, "there is no media item of this id: GET /interactions/{id} takes an interaction's")
    links = {"self": path("media-items", id), "interaction": whole["links"]["self"], "party": whole["links"]["party"]}
    return answer(request, {"media_item": item, "interaction_id": record["interaction_id"], "links": links})


async def found(request: Request, viewer: Viewer, wanted: str, action: str) -> dict[str, Any]:
    """The interaction, logged as seen. Raises ProblemError."""
    service: Service = request.app.state.service
    async with service.views.begin(viewer) as view:
        whole = await found_in(view, wanted)
        await view.log(Access("api", action, whole["record"]["interaction_id"], [whole["record"]["party_key"]]))
    return whole


async def found_in(view: View, wanted: str) -> dict[str, Any]:
    """The interaction of this id or with this media item. Raises ProblemError."""
    place = await view.find(wanted)
    if place is None:
        raise ProblemError(404, "there is no closed interaction or media item of this id, or you may not see it")
    return (await interactions(view, [place]))[0]


def explanation(whole: dict[str, Any]) -> dict[str, Any]:
    """The segments of all media items, with the rules and flags they name in words."""
    record = whole["record"]
    segments = [
        {"media_item_id": item["media_item_id"], **segment}
        for item in record["media_items"]
        for segment in item["segments"]
    ]
    rules = {row for one in segments for row in (one["opened_rule"], one["closed_rule"]) if row is not None}
    flags = {*record["flags"], *(flag for item in record["media_items"] for flag in item["flags"])}
    return {
        "interaction_id": record["interaction_id"],
        "segments": segments,
        "rules": {str(row): rule_text(row) for row in sorted(rules)},
        "flags": {flag: flag_meaning(flag) for flag in sorted(flags)},
        "links": {"self": whole["links"]["explain"], "interaction": whole["links"]["self"]},
    }
