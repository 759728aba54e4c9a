"""The sources by their names on the command line."""

from __future__ import annotations

from collections.abc import Mapping

from touchpoint.capture import mailbox_source, series
from touchpoint.capture.connected import is_position
from touchpoint.capture.run import Kind

_CALLS_AND_FAXES = ("call", "fax")

KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("queue-log", "asterisk-queue-log", ("call",), series.is_position),
        Kind("asterisk-ami", "asterisk-ami", _CALLS_AND_FAXES, is_position),
        Kind("freeswitch", "freeswitch", _CALLS_AND_FAXES, is_position),
        Kind("mailbox", "mailbox", ("email",), mailbox_source.is_position),
        Kind("hylafax", "hylafax", ("fax",), series.is_position),
    )
}
