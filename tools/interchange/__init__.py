"""Tools and client of Interchange, the storefront."""
