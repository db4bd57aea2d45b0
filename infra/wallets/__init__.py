"""Who owns a wallet: messages of ERC-4361, their signatures, and nonces that are used once."""
