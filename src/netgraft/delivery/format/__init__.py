"""What a head and its chunks are, as bytes and as numbers."""
