"""A real PostgreSQL for every test of the web, and the application over it."""

from postgres_server import database, empty_database, pool, postgres
from web_service import service, web

__all__ = ["database", "empty_database", "pool", "postgres", "service", "web"]
