"""Tools about this server itself: what it reaches, what it offers, what it has done."""
