"""Interchange, the storefront: its client, its objects, and the tools that sell through it.

A call enters at the tool's own file, one for each tool, which uses `client.py` and shapes the result. `models.py` reads
what Interchange sends. What several tools share stands beside them: bookings, holds and capacity, media buys, work
items and handoffs, and the readiness of a source. Only `tools` imports this folder and the server's `clients.py`, which
makes the client; of the other vendors' folders, only Google Ad Manager's uses it.
"""
