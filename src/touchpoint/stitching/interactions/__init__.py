"""Interactions: whose they are, what links them, when they close (stitching.md, 3)."""
