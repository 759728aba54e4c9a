"""Phone numbers as switches and carriers write them, in one spelling each (contract.md 3)."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

import phonenumbers

SPELLED = frozenset("+266696687 +7378742833 +2562533 +8656696 +86282452253".split())
"""ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE as keyed on a phone: some carriers send these as numbers."""

_number = re.compile(r"\+?[0-9()./\s-]{1,40}(?:;[a-zA-Z0-9=;.+-]*)?")
_extension = re.compile(
    r"([0-9][0-9()./\s-]{6,38}[0-9])\s*[,;]?\s*(?:x|ext\.?|extension|#)\s*[0-9]{1,7}", re.IGNORECASE
)
"""An extension behind a whole number: who calls from it has the number."""
_LONGEST = 100  # characters of a number with whatever is written beside it
_digits = re.compile(r"[^0-9]")
_brazilian_mobile = re.compile(r"\+55[1-9][0-9][6-9][0-9]{7}")


class NumberPlan(NamedTuple):
    """How an installation writes the numbers of its parties.

    `region`: ISO 3166 code of the country of numbers without one. `extension_digits`: a number without `+` or the
    prefix of a national call that has so few digits is an extension. `messaging_numbers`: a WhatsApp or SMS address
    is the party of its phone number.
    """

    region: str = "GB"
    extension_digits: int = 6
    messaging_numbers: bool = True


def e164(text: str, plan: NumberPlan) -> str | None:
    """E.164; for what is too short or too long for it (an extension, a short code) the digits as dialed.

    None where the text is no number, or nothing but noughts: withheld.
    """
    if len(text) <= _LONGEST:
        text = _without_extension(text if text.isascii() else _as_ascii(text))
    if not _number.fullmatch(text) or not text.strip("+0 ()./-"):
        return None
    digits = _digits.sub("", text.partition(";")[0])
    if f"+{digits}" in SPELLED:
        return f"+{digits}"
    if _is_extension(text, plan):
        return _as_dialed(text)
    number = _parsed(text, plan.region)
    if number is None:
        return _as_dialed(text)
    return _one_spelling(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _as_ascii(text: str) -> str:
    """Digits, blanks and hyphens of other scripts as those of ASCII, without marks that show nothing."""
    kept = []
    for each in unicodedata.normalize("NFKC", text):
        category = unicodedata.category(each)
        if category == "Nd":
            kept.append(str(unicodedata.decimal(each)))
        elif category != "Cf":
            kept.append("-" if category == "Pd" else each)
    return "".join(kept).strip()


def _without_extension(text: str) -> str:
    found = _extension.fullmatch(text.removeprefix("+"))
    if found is None:
        return text
    return "+" + found[1] if text.startswith("+") else found[1]


def _parsed(text: str, region: str) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        number = None
    if (international := _without_plus(text, region, number)) is not None:
        return international
    # not `is_possible_number`, to which an extension is possible because it can be dialed locally
    return number if number is not None and _is_possible(number) else _mexican_mobile(number)


def _is_possible(number: phonenumbers.PhoneNumber) -> bool:
    return bool(phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE)


def _without_plus(text: str, region: str, national: phonenumbers.PhoneNumber | None) -> phonenumbers.PhoneNumber | None:
    """The international reading of digits that begin with the region's own code, as many trunks send them.

    Not where they begin as a national call does. Where both readings are possible numbers, one that is in use wins;
    where both are, the international one: nobody dials within the country without its prefix.
    """
    digits = _digits.sub("", text.partition(";")[0])
    code = str(phonenumbers.country_code_for_region(region))
    prefix = phonenumbers.ndd_prefix_for_region(region, True)
    if text.startswith("+") or not digits.startswith(code) or (prefix and digits.startswith(prefix)):
        return None
    try:
        number = phonenumbers.parse("+" + digits)
    except phonenumbers.NumberParseException:
        return None
    if not _is_possible(number):
        return None
    if phonenumbers.is_valid_number(number):
        return number if prefix else _longer(number, national)
    valid = national is not None and _is_possible(national) and phonenumbers.is_valid_number(national)
    return None if valid else _longer(number, national)


def _longer(number: phonenumbers.PhoneNumber, national: phonenumbers.PhoneNumber | None) -> phonenumbers.PhoneNumber:
    """Where a country has no prefix of national calls, a whole national number may begin with the country's code."""
    if national is None or not phonenumbers.is_valid_number(national):
        return number
    return national


def _mexican_mobile(number: phonenumbers.PhoneNumber | None) -> phonenumbers.PhoneNumber | None:
    """`+52 1` and ten digits, as WhatsApp and older switches write a Mexican mobile; since 2019 without the 1."""
    text = "" if number is None else str(number.national_number)
    if number is None or number.country_code != 52 or len(text) != 11 or text[0] != "1":
        return None
    return phonenumbers.PhoneNumber(country_code=52, national_number=int(text[1:]))


def _one_spelling(number: str) -> str:
    """Of the numbers that two spellings are in use of, one.

    A Brazilian mobile has a ninth digit since 2016, which WhatsApp leaves out in many area codes. An Argentinian
    mobile has a 9 behind the country code when it is called from abroad, and none in the national plan, where no
    landline has its digits.
    """
    if _brazilian_mobile.fullmatch(number):
        return f"{number[:5]}9{number[5:]}"
    if number.startswith("+549") and len(number) == 14:
        return "+54" + number[4:]
    return number


def earlier_spellings(number: str) -> tuple[str, ...]:
    """What release 0.1.0 made of a number that has another spelling now, as E.164."""
    if number.startswith("+52") and len(number) == 13:
        return ("+521" + number[3:],)
    if number.startswith("+55") and len(number) == 14 and number[5] == "9":
        return (number[:5] + number[6:],)
    if number.startswith("+54") and len(number) == 13:
        return ("+549" + number[3:],)
    return ()


def _is_extension(text: str, plan: NumberPlan) -> bool:
    digits = _digits.sub("", text.partition(";")[0])
    if text.startswith("+") or len(digits) > plan.extension_digits:
        return False
    prefix = phonenumbers.ndd_prefix_for_region(plan.region, True)
    if not prefix or not digits.startswith(prefix):
        return True
    try:
        return not phonenumbers.is_valid_number(phonenumbers.parse(text, plan.region))
    except phonenumbers.NumberParseException:
        return True


def _as_dialed(text: str) -> str | None:
    plus = "+" if text.startswith("+") else ""
    digits = _digits.sub("", text.partition(";")[0])
    return plus + digits if digits else None
