"""`touchpoint schema`: the contract for machines."""

from __future__ import annotations

import sys
from typing import Annotated

import orjson
import typer

from touchpoint.cli.errors import CliError, configuration

Type = Annotated[str | None, typer.Argument(metavar="[TYPE]", help="One event type, such as call.offered; else all.")]
AsyncApi = Annotated[bool, typer.Option("--asyncapi", help="The AsyncAPI document: topics, keys and messages.")]


def schema(type: Type = None, asyncapi: AsyncApi = False) -> None:  # noqa: A002 - the name that help shows
    """Print the JSON Schema of every event.

    Of every event type that comes in and of those that go out, interaction.closed first of all; with the
    channels that TOUCHPOINT_CHANNELS adds.

    Examples:

        touchpoint schema > events.schema.json

        touchpoint schema call.transferred

        touchpoint schema --asyncapi > asyncapi.json
    """
    from touchpoint.events import json_schema as documents

    if type is not None and asyncapi:
        raise CliError("the AsyncAPI document is of all types: leave the type away", status=2)
    settings = configuration()
    further = {name: channel.topic or documents.TOPICS.get(name, name) for name, channel in settings.channels.items()}
    try:
        document = (
            documents.asyncapi(settings.topic_prefix, further)
            if asyncapi
            else documents.json_schema(type, settings.stitching_limits().channels)
        )
    except ValueError as error:
        raise CliError(str(error), status=2) from None
    sys.stdout.buffer.write(orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
