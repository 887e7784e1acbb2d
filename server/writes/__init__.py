"""One write from its call to its outcome: sent at most once, confirmed by whoever has to, recorded before it is sent.

A call enters at `pipeline.WritePipeline.write`, which shows the order of the steps:

- `existing_operations`: what the ledger already has about it, and what conflicts with it
- `plan`: what it would do and send, found out without sending it
- `confirmation`: the person in the client, the operator, or nobody
- `sending`: the departure on record, the tool's handler, the outcome on record
- `in_progress`: leases, outcomes that are recorded later, and the end of the server

`outcomes` has the responses for a write that is not sent. `reconciliation` settles a write in doubt, and `records`
shows the ledger to agents. `write_call` is what all of them work on. The packages `calls`, `access`, `protocol` and
`commands` import this one; it imports `server.ledger`.
"""
