"""The API, /api/v1: read only, one file a kind of thing."""
