"""Everything that is looked at before a start, in the order in which a worker comes to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from touchpoint.inspection.broker_check import check_broker
from touchpoint.inspection.broker_clock_check import check_broker_clock
from touchpoint.inspection.certificate_check import check_certificates
from touchpoint.inspection.changelog_check import check_changelogs
from touchpoint.inspection.database_check import check_database
from touchpoint.inspection.finding import Finding
from touchpoint.inspection.local_check import check_local
from touchpoint.settings import Settings


async def check_installation(settings: Settings) -> AsyncIterator[Finding]:
    """Each finding as soon as it is there."""
    for finding in check_local(settings):
        yield finding
    async for finding in check_database(settings):
        yield finding
    topics = None
    async for finding in check_broker(settings):
        yield finding
        topics = finding.state if finding.check == "topics" else topics
    if topics in {"ok", "note"}:
        yield await check_changelogs(settings)
        yield await check_broker_clock(settings)
    certificates = await check_certificates(settings)
    if certificates is not None:
        yield certificates
