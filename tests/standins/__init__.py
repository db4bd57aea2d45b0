"""Small servers that speak as the outside does, on loopback, and fail as told."""
