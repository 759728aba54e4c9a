"""What a process tells its operators: logs, metrics, and the HTTP pages of both."""
