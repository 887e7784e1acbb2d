"""The first day of Northlight's FreeWheel network. `network.create` makes the tables and fills them."""
