"""HTTP to the vendors: what every request to them has in common, whichever vendor it goes to.

Where a call enters: a client (`tools/<vendor>/client.py`) calls `Transport.request` in `transport.py`, and gets
an `Answer` (`replies.py`) or an error of `tools.errors`. One request passes these modules, in this order:

- `auth.py`: its bearer token, minted when there is none.
- `breaker.py`: the circuit breaker, which lets nothing through while the vendor is down.
- `rate_limit.py`: waits until the vendor's rate limit allows one more request.
- `network/`: the `httpx.AsyncClient` and its transport, which sends the request on a connection of its own.
- `decoding.py`: reads the body of the answer, up to a limit.
- `replies.py` and `refusals.py`: what the answer says, and the error that it means when it is no success.
- `transport.py`: decides whether the request is sent again, or a write is in doubt.

`timing.py` has the clocks and deadlines, `telemetry.py` the span, the log line and the metric of each request.

Who may import it: the vendors' folders of `tools`, and the server, which makes the clients (`server/clients.py`) and
shows vendors' texts by `replies.printable`. It knows no vendor, no tool and nothing of MCP.
"""
