"""Vendors' feeds as canonical events (docs/capture/README.md): one file a vendor, found by name."""

from collections.abc import Mapping

from touchpoint.dialects import (
    amazon_connect,
    asterisk_ami,
    asterisk_cel,
    asterisk_queue_log,
    freeswitch,
    genesys_cloud,
    hylafax,
    mailbox,
    twilio_taskrouter,
)
from touchpoint.dialects.dialect import Dialect, Event, Feed, IdsChanged, Record, Unknown
from touchpoint.dialects.lines import Lines
from touchpoint.dialects.memory import Memory
from touchpoint.stitching.limits import Capabilities

_VENDORS = (
    asterisk_queue_log,
    asterisk_ami,
    asterisk_cel,
    freeswitch,
    genesys_cloud,
    twilio_taskrouter,
    amazon_connect,
    hylafax,
    mailbox,
)

DIALECTS: Mapping[str, Dialect] = {vendor.DIALECT.name: vendor.DIALECT for vendor in _VENDORS}

CAPABILITIES: Mapping[str, Capabilities] = {name: dialect.capabilities for name, dialect in DIALECTS.items()}
"""What the fold reads: `Limits.capabilities`."""

__all__ = ["CAPABILITIES", "DIALECTS", "Dialect", "Event", "Feed", "IdsChanged", "Lines", "Memory", "Record", "Unknown"]
