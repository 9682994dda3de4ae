"""The study of slicing: agents that learn to share cells' blocks, and what they gain from each other."""
