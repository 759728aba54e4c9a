"""Live sources: a phone system's own feed, translated and sent on, and nothing that the source still has is lost."""
