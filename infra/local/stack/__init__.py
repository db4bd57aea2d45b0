"""The whole system in one process, over the embedded or the emulator backend."""
