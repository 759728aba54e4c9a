"""Lists of interactions: all, of a party, of an account, of a business object."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from touchpoint.web import cursors
from touchpoint.web.authentication import Reading
from touchpoint.web.documents import answer, interactions, path, with_query
from touchpoint.web.filters import Filters, Page, Text
from touchpoint.web.schemas import InteractionList
from touchpoint.web.service import Service
from touchpoint.web.view import Access
from touchpoint.web.viewer import Viewer

router = APIRouter(tags=["interactions"])


class ListQuery(Filters, Page):
    """Filters, and which part of the list."""


Asked = Annotated[ListQuery, Query()]
Id = Annotated[Text, Path()]


@router.get("/interactions", response_model=InteractionList, summary="Interactions, newest end first")
async def list_interactions(request: Request, viewer: Reading, query: Asked) -> Response:
    """Every filter combines with every other. The party is searched under every spelling of a number or address."""
    return await listed(request, viewer, query, path("interactions"))


@router.get("/parties/{key}/interactions", response_model=InteractionList, summary="A party's interactions")
async def list_of_party(request: Request, viewer: Reading, key: Id, query: Asked) -> Response:
    """Under every key, id and address that the party is known by."""
    return await listed(request, viewer, query, path("parties", key, "interactions"), party=key)


@router.get("/accounts/{id}/interactions", response_model=InteractionList, summary="An account's interactions")
async def list_of_account(request: Request, viewer: Reading, id: Id, query: Asked) -> Response:
    """Of all parties of the account, and what closed under it."""
    return await listed(request, viewer, query, path("accounts", id, "interactions"), account=id)


@router.get(
    "/objects/{type}/{id}/interactions", response_model=InteractionList, summary="A business object's interactions"
)
async def list_of_object(request: Request, viewer: Reading, type: Id, id: Id, query: Asked) -> Response:
    """All contacts about one order, service request, lead or other object."""
    return await listed(
        request, viewer, query, path("objects", type, id, "interactions"), object_type=type, object_id=id
    )


async def listed(request: Request, viewer: Viewer, query: ListQuery, url: str, **fixed: Any) -> Response:
    """One page of a list; `fixed`: the filters that the path is."""
    service: Service = request.app.state.service
    asked = query.model_copy(update=fixed)
    after = None if query.cursor is None else cursors.decode(query.cursor)
    async with service.views.begin(viewer) as view:
        places = await view.search(asked.wanted(service.plan), after, query.limit + 1)
        shown = places[: query.limit]
        items = await interactions(view, shown)
        keys = [item["record"]["party_key"] for item in items]
        await view.log(Access("api", "interactions", described(asked), keys))
    members = query.model_dump(mode="json", exclude_none=True, by_alias=True)
    more = len(places) > len(shown)
    following = with_query(url, members | {"cursor": cursors.encode(shown[-1])}) if more else None
    return answer(request, {"items": items, "links": {"self": with_query(url, members), "next": following}})


def described(filters: Filters) -> str:
    """The filters for the log of accesses, without what may be a person's number or name."""
    members = filters.model_dump(mode="json", exclude_none=True, by_alias=True, include=set(Filters.model_fields))
    return with_query("", {name: value for name, value in members.items() if name != "party"})[1:]
