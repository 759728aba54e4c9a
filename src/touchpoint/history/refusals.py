"""What PostgreSQL says, without the values of rows: its texts quote them, as in `Key (tenant, name)=(acme, Mary)`."""

from __future__ import annotations

import asyncpg

_QUOTING = ("22", "23")  # SQLSTATE classes: data, integrity
_PLACES = ("schema_name", "table_name", "column_name", "data_type_name", "constraint_name")


def refusal(error: asyncpg.PostgresError) -> str:
    """Why PostgreSQL refuses something. Of data and of constraints only the SQLSTATE and what is named; no DETAIL."""
    state = error.sqlstate or "unknown"
    if not state.startswith(_QUOTING):
        message, hint = getattr(error, "message", None) or str(error.args[0]), getattr(error, "hint", None)
        return f"{message}. {hint}" if hint else str(message)
    named = ((place.removesuffix("_name").replace("_", " "), getattr(error, place, None)) for place in _PLACES)
    return ", ".join(
        (f"SQLSTATE {state} ({type(error).__name__})", *(f"{what} {name}" for what, name in named if name))
    )
