"""A broker and a PostgreSQL from wheels, for the demo and the tests."""
