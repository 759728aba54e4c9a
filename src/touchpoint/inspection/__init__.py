"""What of an installation is as it should be, asked from outside: nothing is written, no worker notices."""
