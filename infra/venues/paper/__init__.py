"""The reference adapter: a venue whose ledger is in the document store."""
