"""The history for people and applications: an API and a page over HTTP. Everything here reads; nothing writes but the
log of accesses. What a viewer may see is decided by the database (history/migrations/0015_view_context.sql).
"""
