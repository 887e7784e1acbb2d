"""The commands of `adops-mcp` besides `serve`: demo, doctor, operations, config and sandbox, a module for each.

`server.cli` imports a command when it runs, and is the only importer besides the tests. Each module has one function to
start it, which returns the exit code: `run_demo`, `run_doctor`, `run` or, for the sandbox, `reset` and `serve`.
`client_file` edits the settings file of an MCP client for `config`.
"""
