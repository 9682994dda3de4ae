"""A root becomes a head and chunks."""
