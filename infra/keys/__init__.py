"""Venue keys: sealed at rest, opened inside `execute` and `settle` alone, printable nowhere."""
