"""The stages of the stream: pure functions of records and state to records, without Kafka, Faust or settings."""
