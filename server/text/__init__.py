"""Removing secrets and unsafe characters from text.

`sanitizing` is for what goes to an agent or a person, `redaction` for what the ledger stores. Every package of the
server may import this one, and it imports nothing of ours but itself.
"""
