"""The document stores that need no server: SQLite and memory."""
