"""The pure core: no clock, no IO, no randomness; it imports nothing of streams, Postgres, vendors or web."""
