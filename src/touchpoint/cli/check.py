"""`touchpoint check`: what a worker would find at its start, without starting one."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Annotated

import typer

from touchpoint.cli.errors import CliError, configuration

if TYPE_CHECKING:
    from touchpoint.inspection.finding import Finding
    from touchpoint.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="One object, for machines: status, and findings in order.")]


def check(as_json: AsJson = False) -> None:
    """Look at everything that a worker needs, before it starts. Nothing is changed; what is wrong has its way out.

    Settings, secrets and their files, the port, the database (schema, role, fingerprint of the secret, limits, clock),
    the brokers, our rights, the topics with their sizes, stamps and replicas, the group and its instance ids, the
    changelogs, the brokers' clock, the ends of certificates.

    Exit status: that of the first failure, as of `touchpoint worker`: 0 if there is none; 1 if topics are missing; 2
    for a wrong configuration; 3 if no broker or no database answers, or one refuses.
    """
    from touchpoint.inspection.finding import CONFIGURATION, exit_status, failed

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would log is said below, once
    try:
        settings = configuration()
    except CliError as error:
        findings = [failed("settings", CONFIGURATION, str(error))]
        _show(findings[0], as_json)
    else:
        findings = asyncio.run(_look(settings, as_json))
    status = exit_status(findings)
    if as_json:
        import msgspec

        print(msgspec.json.encode({"status": status, "findings": findings}).decode())
    if status:
        raise typer.Exit(status)


async def _look(settings: Settings, as_json: bool) -> list[Finding]:
    from touchpoint.inspection.all_checks import check_installation

    findings = []
    async for finding in check_installation(settings):
        findings.append(finding)
        _show(finding, as_json)
    return findings


def _show(finding: Finding, as_json: bool) -> None:
    if as_json:
        return
    print(f"{finding.state:8} {finding.check:22} {finding.detail}", flush=True)
    if finding.way_out:
        print(f"{'':8} {'':22} -> {finding.way_out}", flush=True)
