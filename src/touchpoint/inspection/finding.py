"""What one look at an installation found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

State = Literal["ok", "note", "failed", "skipped"]
MISSING, CONFIGURATION, UNUSABLE = 1, 2, 3
"""Exit statuses, as those of `touchpoint worker`."""


class Finding(msgspec.Struct, frozen=True):
    """One check: what it looked at, what it found, and the way out where something is wrong."""

    check: str
    state: State
    detail: str
    way_out: str | None = None
    status: int = 0  # with which the worker would end, or of what keeps it from being ready


def failed(check: str, status: int, detail: str, way_out: str | None = None) -> Finding:
    """Something keeps a worker from its work."""
    return Finding(check, "failed", detail, way_out, status)


def exit_status(findings: Iterable[Finding]) -> int:
    """Of the first that failed, which is where a worker would end; 0 if none did."""
    return next((finding.status for finding in findings if finding.state == "failed"), 0)
