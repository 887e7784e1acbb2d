"""The modules of a modular source: their contracts, and what the Cadent module renders."""
