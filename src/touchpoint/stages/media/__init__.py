"""The stage of media items: validates events, keeps the facts of each item, and sends them to its party."""
