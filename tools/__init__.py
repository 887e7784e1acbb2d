"""What agents can do in ad operations: the tools, and the clients of the vendors they work with.

A call enters through `catalogue.py`, which lists every tool and imports its file when the tool is first used. A tool's
file holds its arguments, result and handler, which gets the vendors' clients in a `Backends`. `tool.py` says what a
tool is, `effects.py` what a write says about itself, `errors.py` what can go wrong, and `schema.py` and `fields.py` how
arguments and results are described.

There is a folder for each vendor, one for this server's own tools (`operations`), and one for the HTTP that all clients
share (`vendor_http`). `server` imports these packages; none of them imports `server`.
"""
