"""Vendors' feeds as canonical events (capture.md): one file a vendor, found by name."""

from collections.abc import Mapping

from touchpoint.dialects import asterisk_queue_log
from touchpoint.dialects.dialect import Dialect, Event, Feed, Memory, Record, Unknown
from touchpoint.stitching.limits import Capabilities

DIALECTS: Mapping[str, Dialect] = {module.DIALECT.name: module.DIALECT for module in (asterisk_queue_log,)}

CAPABILITIES: Mapping[str, Capabilities] = {name: dialect.capabilities for name, dialect in DIALECTS.items()}
"""What the fold reads: `Limits.capabilities`."""

__all__ = ["CAPABILITIES", "DIALECTS", "Dialect", "Event", "Feed", "Memory", "Record", "Unknown"]
