"""Text for causes, headers, logs and standard error: without numbers, without addresses, without control characters.

A producer may put a person anywhere: into names of fields, event types, content types, ids. So the whole of a text is
masked where it leaves the program, and not the fields that are known to hold an address (docs/operations.md, Personal
data). Records themselves keep their bytes.
"""

from __future__ import annotations

import re

NUMBER, ADDRESS = "<number>", "<address>"
LONGEST = 1_000  # letters; beyond it a text is cut

_SCHEMES = "tel|fax|sips?|mailto|sms|smsto|mms|callto|xmpp|im|chat|skype|whatsapp|viber|signal|telegram|facetime|h323"
_ENDS = r"\s,;:'\"<>()"  # of a word
_GAP = r"(?:[^\w,;:'\"]|_){0,3}"  # between the digits of a number; a comma groups the digits of an amount
_DAY = r"-[01][0-9]-[0-3][0-9]"
_HOUR = r"[Tt ][0-2][0-9]:[0-5][0-9](?::[0-6][0-9](?:\.[0-9]{1,6})?)?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_HEX = r"(?<![\w-])(?=[0-9-]*[a-f])"  # of which one digit at least is a letter
_PATTERN = re.compile(
    rf"""
      (?P<kept>
          (?<![\w.])(?:[0-9]{{4}}{_DAY}{_HOUR}|(?:19|20)[0-9]{{2}}{_DAY})(?![\w.])
        | {_HEX}[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}(?![\w-])
        | {_HEX}[0-9a-f]{{64}}(?!\w)
        | (?<![\w.]){_OCTET}(?:\.{_OCTET}){{3}}(?![\w.])
      )
    | (?P<address>
          \b(?:{_SCHEMES})(?::|%3a)[^\s,;'"<>()]+
        | (?<![^{_ENDS}@])(?:[^{_ENDS}@]|(?<=\w)'(?=\w))++@[^{_ENDS}]+
      )
    | (?P<number> (?:\+{_GAP}|\({_GAP})?\d(?:{_GAP}\d){{6,}} )
    """,
    re.VERBOSE | re.IGNORECASE,
)


def mask(text: str) -> str:
    """The text without numbers of 7 digits or more and without addresses; what steers a terminal is spelt.

    A number may have up to three separators between its digits, but no comma, so amounts are written with commas:
    12,582,912. Days, instants, UUIDs, content hashes and IP addresses stay.
    """
    text = _cut(text)
    if "%40" in text or "＠" in text:  # spellings of @
        text = text.replace("%40", "@").replace("＠", "@")
    masked = _PATTERN.sub(_masked, text)
    return _cut(spelt(masked))


def spelt(text: str) -> str:
    """The text with control characters, marks of direction and halves of surrogate pairs written as `\\u202e`."""
    return text if text.isprintable() else "".join(map(_spelt, text))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def _masked(match: re.Match[str]) -> str:
    if match["kept"] is not None:
        return match["kept"]
    return NUMBER if match["number"] is not None else ADDRESS


def _spelt(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode()
