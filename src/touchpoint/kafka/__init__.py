"""What Touchpoint asks of Kafka outside the stream: topics, reading one through, and parsing what a broker sends."""
