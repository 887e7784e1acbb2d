"""Tools and client of Google Ad Manager."""
