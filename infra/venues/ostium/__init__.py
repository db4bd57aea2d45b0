"""Ostium."""
