"""How a model gets to a device: a signed head, immutable chunks, a plan for the situation, a client that checks all."""

__all__: list[str] = []
