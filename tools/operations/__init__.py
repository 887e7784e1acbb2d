"""The tools about this server itself: its status, and the ledger of writes.

One file a tool. `models.py` holds their results, which the server's ledger fills, and `vendor_checks.py` reads once
from each vendor. The catalogue imports the tools, and `server.writes` and `server.commands` import the models.
"""
