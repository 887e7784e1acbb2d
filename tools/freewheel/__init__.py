"""FreeWheel, the ad server: its client, its objects, and the tools for packages and proposed insertion orders.

A call enters at the tool's own file, one for each tool, which uses `client.py` and shapes the result. `models.py`,
`wire.py`, `v3.py` and `attributes.py` read what FreeWheel sends. What several tools share stands beside them: targeting
and its trees, packages, orders and proposals, searches of lists without a search, and the reconciliation of creations.
Only `tools` imports this folder and the server's `clients.py`, which makes the client; no other vendor's folder does.
"""
