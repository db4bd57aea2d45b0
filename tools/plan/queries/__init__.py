"""The queries that the code makes, read from its source, and the indexes that they need."""
