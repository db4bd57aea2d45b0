"""Spot tokens at a Uniswap-like exchange."""
