"""Fakes of the ports: whole, in memory, and observable."""
