"""The server process: everything that a tool call passes through. The ad operations themselves are in `tools`.

The packages, from the door down. Each may import those below it, and import-linter checks that in CI:

- `cli` parses the command line and runs a command.
- `commands` has the commands, `stdio` and `http` the two transports of MCP.
- `preflight` checks what must hold before anything is served.
- `protocol` is the MCP server: definitions, tools, prompts, resources, completions and questions to people.
- `calls` runs one tool call from start to end.
- `access` decides who may do what.
- `writes` sends a write at most once: plan, approval, claim, departure, outcome and reconciliation.
- `ledger` is the durable record of writes.
- `clients` opens the vendors' clients.
- `telemetry` has logs, traces and the record of each call.
- `configuration` has settings and accounts.
- `clocks` measures time for leases, `sandbox` has the embedded vendors, and `text` removes secrets from text.

A call on stdio enters at `stdio.early_answers`, over HTTP at `http.application`. Both lead to `protocol.app`, then to
`calls.dispatch`, and a write goes on to `writes.pipeline`.
"""

__version__ = "0.1.0"
