"""Addresses as URIs (contract.md 3): `tel:+441632960960`, `mailto:a@example.com`, `fax:+44...`, `sip:...`."""

from __future__ import annotations

import re
from functools import lru_cache

import phonenumbers

WITHHELD = frozenset("anonymous blocked nobody none null private restricted unavailable unknown withheld".split())
"""The user of a `sip:` address (RFC 3323 and habit) where the caller shows no number."""

SPELLED = frozenset("+266696687 +7378742833 +2562533 +8656696 +86282452253".split())
"""ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE as keyed on a phone: some carriers send these as numbers."""

_scheme = re.compile(r"([A-Za-z][A-Za-z0-9.-]*):(.+)", re.DOTALL)  # no "+": a number may start with one
_number = re.compile(r"\+?[0-9()./\s-]{1,40}(?:;[a-zA-Z0-9=;.+-]*)?")
_digits = re.compile(r"[^0-9]")
_bracketed = re.compile(r"<([^<>]+)>")  # behind a name; email.utils.parseaddr recurses as deep as a sender likes
_mail = re.compile(r"[^\s@<>]+@[^\s@<>]+")


@lru_cache(maxsize=16_384)
def party_address(text: str, region: str) -> str | None:
    """The one spelling of a party's address, or None where it names nobody.

    `fax:N` and `tel:N` are the same party, so both give `tel:N`. A withheld number, an empty text and
    what is no address at all give None: a party without an address, not an error.
    """
    address = _canonical(text.strip(), region)
    if address is None or _withheld(address):
        return None
    return "tel:" + address[4:] if address.startswith("fax:") else address


@lru_cache(maxsize=16_384)
def dialed_address(text: str, region: str) -> str:
    """What was dialed, or whom a transfer goes to: as an address where it is one, else as it came (a line, a route)."""
    return _canonical(text.strip(), region) or text


def _canonical(text: str, region: str) -> str | None:
    split = _scheme.fullmatch(text)
    if split is None:
        return _bare(text, region)
    scheme, rest = split[1].lower(), split[2].strip()
    if scheme in ("tel", "fax"):
        number = _e164(rest, region)
        return None if number is None else f"{scheme}:{number}"
    if scheme == "mailto":
        return _mailto(rest.partition("?")[0])
    return f"{scheme}:{rest}"


def _bare(text: str, region: str) -> str | None:
    if "@" in text:
        return _mailto(text)
    number = _e164(text, region)
    return None if number is None else f"tel:{number}"


def _mailto(text: str) -> str | None:
    bracketed = _bracketed.search(text)
    address = bracketed[1].strip() if bracketed is not None else text
    return f"mailto:{address.lower()}" if _mail.fullmatch(address) else None


def _e164(text: str, region: str) -> str | None:
    """E.164; for what is too short or too long for it (an extension, a short code) the digits as dialed."""
    if not _number.fullmatch(text) or not text.strip("+0 ()./-"):  # nothing but noughts: withheld
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return _local(text)
    # not `is_possible_number`, to which an extension is possible because it can be dialed locally
    if phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE:
        return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return _local(text)


def _local(text: str) -> str | None:
    plus = "+" if text.startswith("+") else ""
    digits = _digits.sub("", text.partition(";")[0])
    return plus + digits if digits else None


def _withheld(address: str) -> bool:
    scheme, _, rest = address.partition(":")
    if scheme in ("sip", "sips"):
        return rest.partition("@")[0].lower() in WITHHELD
    return scheme in ("tel", "fax") and rest in SPELLED
