"""A real PostgreSQL for every test of the web."""

from postgres_server import database, empty_database, pool, postgres

__all__ = ["database", "empty_database", "pool", "postgres"]
