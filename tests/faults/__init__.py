"""Every venue's adapter against its stand-in, every fault, the whole chain from plan to books."""
