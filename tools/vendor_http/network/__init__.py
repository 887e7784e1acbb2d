"""How a request leaves this machine, and how its answer is received: at most once, on a connection of its own.

Where a call enters: `client.http_client` makes the client of a vendor, an `httpx.AsyncClient`. Its requests carry an
`Attempt` (`attempts.py`) among their extensions, which `single_use.py`, the httpx transport, asks before the first byte
leaves.

Who may import it: `tools.vendor_http.transport` sends with it, and `server/clients.py` makes the clients. Import
`single_use` where sockets are needed and not before: it brings httpcore, which the sandbox does without.
"""
