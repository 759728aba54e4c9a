"""The history in Postgres: migrations, the idempotent batch writer and the reader (contract.md, 5)."""
