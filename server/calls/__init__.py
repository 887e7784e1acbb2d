"""One tool call from its arguments to its result.

A call enters at `dispatch.Dispatcher.call`; `Dispatcher._respond` shows the order of the steps. `arguments` checks what
the agent gave, and `results` turns the response or the error into what the agent gets. A write goes on in
`server.writes`. The protocol and the transports import this package; it imports `server.access` and `server.writes`.
"""
