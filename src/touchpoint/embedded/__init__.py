"""A broker and a PostgreSQL from wheels, and an Apache Kafka from Maven Central, for the demo and the tests."""
