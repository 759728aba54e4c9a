"""Realistic traffic of a contact centre, seeded: the same seed gives the same bytes. Nobody in it exists."""

from touchpoint.simulate.traffic import simulate

__all__ = ["simulate"]
