"""The sources by their names on the command line."""

from __future__ import annotations

from collections.abc import Mapping

from touchpoint.capture.run import Kind

_CALLS_AND_FAXES = ("call", "fax")

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("queue-log", "asterisk-queue-log", ("call",)),
        Kind("asterisk-ami", "asterisk-ami", _CALLS_AND_FAXES),
        Kind("freeswitch", "freeswitch", _CALLS_AND_FAXES),
        Kind("mailbox", "mailbox", ("email",)),
        Kind("hylafax", "hylafax", ("fax",)),
    )
}
