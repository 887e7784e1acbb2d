"""MCP over streamable HTTP, for hosted clients and for agents on other machines.

`application.serve_http` is the entrance, and only `server.cli` and the tests import this package. A request passes
`middleware` (authentication, `rate_limits`, checks of the body) and then the same MCP server as on stdio. `metrics` is
what Prometheus reads.
"""
