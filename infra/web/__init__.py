"""The HTTP machinery: problems, strict JSON, tokens, idempotency. Routes live in functions/api."""
