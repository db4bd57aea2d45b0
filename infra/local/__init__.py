"""Adapters that need nothing installed: the embedded default, tests and the simulation."""
