"""Parties: found by key, id, name, number or address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from touchpoint.web import cursors
from touchpoint.web.authentication import Reading
from touchpoint.web.documents import answer, path, with_query
from touchpoint.web.filters import Page, Text, names
from touchpoint.web.problems import ProblemError
from touchpoint.web.schemas import PartyDocument, PartyList
from touchpoint.web.service import Service
from touchpoint.web.view import Access, View

router = APIRouter(tags=["parties"])
_WORD = re.compile(r"\w+")


class PartyQuery(Page):
    """Whom to find, and which part of the list."""

    q: Text


@router.get("/parties", response_model=PartyList, summary="Parties by key, id, name, number or address")
async def list_parties(request: Request, viewer: Reading, query: Annotated[PartyQuery, Query()]) -> Response:
    """Names by their words or the beginnings of them; a number in any spelling. A reader finds by key and id alone."""
    service: Service = request.app.state.service
    after = None if query.cursor is None else cursors.decode_text(query.cursor)
    async with service.views.begin(viewer) as view:
        rows = await view.parties(names(query.q, service.plan), tsquery(query.q), after, query.limit + 1)
        shown = [document(row) for row in rows[: query.limit] if row["party_key"] is not None]
        await view.log(Access("api", "parties", None, [one["key"] for one in shown]))
    members = query.model_dump(exclude_none=True)
    more = len(rows) > query.limit
    following = cursors.encode_text(rows[query.limit - 1]["ref"]) if more else None
    links = {
        "self": with_query(path("parties"), members),
        "next": with_query(path("parties"), members | {"cursor": following}) if following else None,
    }
    return answer(request, {"items": shown, "links": links})


@router.get("/parties/{key}", response_model=PartyDocument, summary="A party as it is known now")
async def party(request: Request, viewer: Reading, key: Annotated[Text, Path()]) -> Response:
    """By its opaque key; by its id or an address too, where the role finds by them."""
    service: Service = request.app.state.service
    async with service.views.begin(viewer) as view:
        known = await party_in(view, names(key, service.plan))
        await view.log(Access("api", "party", None, [known["key"]]))
    return answer(request, known)


async def party_in(view: View, wanted: list[str]) -> dict[str, Any]:
    """The party. Raises ProblemError where it never made contact, or may not be seen."""
    rows = [row for row in await view.parties(wanted, "", None, 50) if row["party_key"] is not None]
    if not rows:
        raise ProblemError(404, "no party of this key, id or address has made contact, or you may not see it")
    known = [row for row in rows if row["party_id"] is not None] or rows
    return document(max(known, key=lambda row: row["last_ended_at"]))


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """A party as the API sends it."""
    return {
        "key": row["party_key"],
        "id": row["party_id"],
        "name": row["name"],
        "account_id": row["account_id"],
        "addresses": row["addresses"],
        "last_contact": row["last_ended_at"],
        "links": {
            "self": path("parties", row["party_key"]),
            "interactions": path("parties", row["party_key"], "interactions"),
        },
    }


def tsquery(text: str) -> str:
    """All words of the text, each as the beginning of one. Empty for a text without letters: it is a number."""
    words = _WORD.findall(text)
    return " & ".join(f"'{word}':*" for word in words) if any(char.isalpha() for char in text) else ""
