"""A replay in memory, and what came of it."""
