"""Logs, traces and the record of each tool call.

`logs_and_traces` configures where logs and traces go when the server starts. `call_log.record_call` is around every
tool call. Every package above may import this one.
"""
