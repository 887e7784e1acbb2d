"""The server as MCP shows it: tools, prompts, resources, completions and questions to a person.

`app.build_server` makes the SDK's server object with a handler for each request; the transports in `server.stdio` and
`server.http` serve it. A tool call enters at `app._Handlers.call_tool` and goes on in `server.calls`. `definitions` and
`tools_list` make what `tools/list` answers, and `elicitation` asks a person through their client.
"""
