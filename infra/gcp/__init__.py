"""Adapters for Google Cloud and its emulators. Clients are imported where first used."""
