"""Addresses and Message-IDs of mail headers as they are, which is often not as RFC 5322 has them.

`email.utils.getaddresses` is not asked: since the fix of CVE-2023-27043 it takes a display name with an @ for a
mistake of the whole header, and before it for an address. Every function takes time in proportion to its text.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from email.errors import MessageError
from email.header import decode_header, make_header
from typing import NamedTuple

LONGEST = 1_000  # characters of an address, and of a name
MOST = 1_000  # people of a message's header

_BRACKETS = re.compile(r"<([^<>]*)>")
_COMMENT = re.compile(r"\(([^()]*)\)")
_ADDRESS = re.compile(r'(?:[^\s<>()\[\]@,;:"\\]+|"[^"\r\n]+")@[^\s<>()@,;:"\\]+')
_ID = re.compile(r"<([^<>\s]{1,990})>")
_FOLD = re.compile(r"\r?\n[ \t]+")


class Person(NamedTuple):
    """A name, where one is given, and an address in lower case."""

    name: str | None
    address: str


def people(headers: Iterable[str]) -> list[Person]:
    """Of From, To and the like, in their order; what has no address is passed over."""
    found: list[Person] = []
    for header in headers:
        for part, mask in _parts(_FOLD.sub(" ", header)):
            person = _person(part, mask)
            if person is not None and len(found) < MOST:
                found.append(person)
    return found


def message_ids(text: str) -> list[str]:
    """Of Message-ID, In-Reply-To or References, without brackets; where none has any, each word with an @."""
    text = _FOLD.sub(" ", text)
    words = (word.strip("<>\"',;") for word in text.split())
    return _ID.findall(text) or [word for word in words if 1 <= word.find("@") < len(word) - 1 and len(word) <= 990]


def _mask(text: str) -> str:
    """The text with blanks in the place of quotes and comments; where those do not end, of their signs alone."""
    kept: list[str] = []
    depth, quoted, escaped = 0, False, False
    for character in text:
        outside = not (depth or quoted)
        if outside and character not in '"(':
            kept.append(character)
            continue
        kept.append(" ")
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif quoted:
            quoted = character != '"'
        elif outside and character == '"':
            quoted = True
        else:
            depth += (character == "(") - (character == ")")
    if quoted or depth:
        return text.translate(str.maketrans('"()', "   "))
    return "".join(kept)


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Between commas and semicolons, each with its mask.

    A part without an @ belongs to the next: `Ray, Gil <gil@client.example>` is one person.
    """
    mask = _mask(text)
    begin, angle, addressed = 0, False, False
    for place, character in enumerate(mask):
        if character in "<>":
            angle = character == "<"
        elif character == "@":
            addressed = True
        elif character == ";" or (character == "," and addressed and not angle):
            yield text[begin:place], mask[begin:place]
            begin, addressed, angle = place + 1, False, False
    yield text[begin:], mask[begin:]


def _person(part: str, mask: str) -> Person | None:
    """The address is what stands in the last angle brackets, else the last word that is one."""
    for brackets in reversed(list(_BRACKETS.finditer(mask))):
        inside = part[brackets.start(1) : brackets.end(1)].rpartition(":")[2]  # behind a route (RFC 5322, 4.4)
        if address := _address("".join(inside.split())):
            return Person(_name(part[: brackets.start()]), address)
    words = (word.rpartition(":")[2].strip("<>") for word in reversed(mask.split()))
    address = _address(part.strip()) or next(filter(None, map(_address, words)), None)
    if address is None:
        return None
    comment = _COMMENT.search(part[-LONGEST:])
    return Person(_name(comment[1]) if comment else None, address)


def _address(text: str) -> str | None:
    return text.lower() if len(text) <= LONGEST and _ADDRESS.fullmatch(text) else None


def _name(text: str) -> str | None:
    """Without quotes, comments and RFC 2047's encoding; as it is where that is broken."""
    text = _COMMENT.sub(" ", text[:LONGEST]).strip()
    if '"' not in text:
        text = text.rpartition(":")[2]  # behind the name of a group
    bare = re.sub(r"\\(.)", r"\1", text.strip().strip('"'))
    with contextlib.suppress(MessageError, LookupError, ValueError):
        bare = str(make_header(decode_header(bare)))
    bare = bare.encode("utf-8", "replace").decode().replace("\0", "")  # half a surrogate pair, of UTF-7 and its like
    return " ".join(bare.split()) or None
