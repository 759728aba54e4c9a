"""Touchpoint: a contact centre's event streams become its interaction history."""
