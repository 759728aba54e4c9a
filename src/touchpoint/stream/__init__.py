"""The stream worker: Faust underneath, its own transport, pure stages on top."""
