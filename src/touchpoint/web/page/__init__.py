"""The page: HTML made by the server, one style sheet, one script; no request to any other host."""
