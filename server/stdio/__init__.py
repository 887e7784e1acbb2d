"""MCP over stdin and stdout, which is how a client on the same machine starts the server.

A session enters at `early_answers.serve_stdio`. It answers the first requests from `frozen` while a thread imports the
SDK (`lazy_models`) and builds the live server (`serve`). That takes over with a `handover`, and reads and writes
through `transport`. Only `server.cli` and the tests import this package. Nothing but JSON-RPC may reach stdout.
"""
