"""The venues: what each can do and lists, how its answers are read, and the wire to it."""
