"""Addresses as URIs (contract.md 3): `tel:+441632960960`, `mailto:a@example.com`, `fax:+44...`, `sip:...`."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote

from touchpoint.events.numbers import SPELLED, NumberPlan, e164, earlier_spellings

WITHHELD = frozenset("anonymous blocked nobody none null private restricted unavailable unknown withheld".split())
"""The user of a `sip:` address (RFC 3323 and habit) where the caller shows no number."""

_OF_MESSAGES = frozenset("whatsapp wa sms smsto mms rcs signal".split())
"""Schemes of messages to a phone number."""
_JID = frozenset(("s.whatsapp.net", "c.us"))
"""Hosts of WhatsApp's own ids, whose user is a number."""

_scheme = re.compile(r"([A-Za-z][A-Za-z0-9.-]*):(.+)", re.DOTALL)  # no "+": a number may start with one
_bracketed = re.compile(r"<([^<>]+)>")  # behind a name; email.utils.parseaddr recurses as deep as a sender likes
_mail = re.compile(r"[^\s@<>]+@[^\s@<>]+")
_international = re.compile(r"\+?[0-9]{7,15}")


@lru_cache(maxsize=16_384)
def party_address(text: str, plan: NumberPlan) -> str | None:
    """The one spelling of a party's address, or None where it names nobody.

    `fax:N` and `tel:N` are the same party, so both give `tel:N`, as do `sip:` and `sips:` of a number and, where the
    plan has it so, addresses of messages. A withheld number, an empty text and what is no address at all give None:
    a party without an address, not an error.
    """
    address = _canonical(text.strip(), plan)
    if address is None or _withheld(address):
        return None
    return "tel:" + address[4:] if address.startswith("fax:") else address


@lru_cache(maxsize=16_384)
def dialed_address(text: str, plan: NumberPlan) -> str:
    """What was dialed, or whom a transfer goes to: as an address where it is one, else as it came (a line, a route)."""
    return _canonical(text.strip(), plan) or text


def spellings(text: str, plan: NumberPlan) -> tuple[str, ...]:
    """Every address under which a party may be stored: today's, and those that earlier releases made of it.

    Release 0.1.0 kept `sip:` of a number, WhatsApp and SMS addresses, the other spelling of Mexican, Brazilian and
    Argentinian mobiles, and took an extension for a number in some countries. Empty where the text names nobody.
    """
    address = party_address(text, plan)
    if address is None:
        return ()
    found = [address]
    scheme, _, rest = address.partition(":")
    if scheme == "tel":
        found += [f"tel:{number}" for number in earlier_spellings(rest)]
        found += [f"{old}:{number}" for old in ("whatsapp", "sms") for number in (rest, *earlier_spellings(rest))]
    as_written = _scheme.fullmatch(text.strip())
    if as_written is not None and as_written[1].lower() not in ("tel", "fax", "mailto"):
        found.append(f"{as_written[1].lower()}:{as_written[2].strip()}")
    elif scheme == "tel" and len(rest) <= plan.extension_digits:
        whole = e164(rest, plan._replace(extension_digits=0))
        found += [f"tel:{whole}"] if whole is not None else []
    return tuple(dict.fromkeys(found))


def _canonical(text: str, plan: NumberPlan) -> str | None:
    bracketed = _bracketed.search(text)
    inner = "" if bracketed is None else bracketed[1].strip()
    if inner and ("@" not in inner or _scheme.fullmatch(inner)):  # a name before a number or a URI
        text = inner
    split = _scheme.fullmatch(text)
    if split is None:
        return _bare(text, plan)
    scheme, rest = split[1].lower(), split[2].strip()
    if scheme in ("tel", "fax"):
        number = e164(rest, plan)
        return None if number is None else f"{scheme}:{number}"
    if scheme == "mailto":
        return _mailto(rest.partition("?")[0])
    if scheme in ("sip", "sips"):
        return _sip(scheme, rest, plan)
    if scheme in _OF_MESSAGES and plan.messaging_numbers:
        return _messaging(rest, plan) or f"{scheme}:{rest}"
    return f"{scheme}:{rest}"


def _bare(text: str, plan: NumberPlan) -> str | None:
    if "@" in text:
        user, _, host = text.rpartition("@")
        if host.lower() in _JID and plan.messaging_numbers and (number := _messaging(user, plan)) is not None:
            return number
        return _mailto(text)
    number = e164(text, plan)
    return None if number is None else f"tel:{number}"


def _mailto(text: str) -> str | None:
    bracketed = _bracketed.search(text)
    address = bracketed[1].strip() if bracketed is not None else text
    return f"mailto:{address.lower()}" if _mail.fullmatch(address) else None


def _sip(scheme: str, rest: str, plan: NumberPlan) -> str:
    """A user that is `+` and digits, or any number with `user=phone`, is that number (RFC 3261, 19.1.6)."""
    user, at, host = rest.partition("@")
    given = unquote(user if at else rest.partition(";")[0]).partition(":")[0].partition(";")[0]
    is_phone = given.startswith("+") or "user=phone" in host.lower().replace(" ", "").split(";")
    number = e164(given, plan) if is_phone else None
    return f"{scheme}:{rest}" if number is None else f"tel:{number}"


def _messaging(rest: str, plan: NumberPlan) -> str | None:
    """The number behind an address of messages, which is international also without `+`."""
    given = rest.partition("?")[0].partition("@")[0].lstrip("/").replace(" ", "").replace("-", "")
    if not _international.fullmatch(given):
        return None
    number = e164(given if given.startswith("+") else f"+{given}", plan)
    return None if number is None else f"tel:{number}"


def _withheld(address: str) -> bool:
    """Nobody: a word for it, that word keyed on a phone, or any address of `.invalid` (RFC 2606, RFC 3323)."""
    scheme, _, rest = address.partition(":")
    user, _, host = rest.partition("@")
    if re.split(r"[;:?>]", host.lower(), maxsplit=1)[0].rstrip(".").endswith(("anonymous.invalid", ".invalid")):
        return True
    if scheme in ("sip", "sips"):
        return not user or user.partition(";")[0].lower() in WITHHELD
    return scheme in ("tel", "fax") and rest in SPELLED
