"""Google Ad Manager: connecting its networks to Interchange sources, and testing the connections.

A call enters at the tool's own file, one for each tool. The tools read and configure a source with Interchange's
client, and test a network directly with `client.py`, whose token comes from `auth.py`. `diagnoses.py` says what each
result of a test means and who does what about it. Only `tools` imports this folder and the server's `clients.py`, which
makes the client.
"""
