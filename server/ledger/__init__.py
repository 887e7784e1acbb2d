"""The durable record of every write, and the state machine of an operation.

`operations.Ledger` is the way in: each of its methods is one transaction. `state_machine` has the one table of states
and events, which the code uses and the documentation prints. `entries` has the data. A transaction is made of four
layers: `reads`, `transitions` (moving an operation, and what is over by time), `settlements` (outcomes, and what they
correct) and `transaction` (claims, departures and decisions). `statements` has its SQL, `corrections` the words for an
outcome that replaced another one, and `storage` the database. `server.writes` and the operator's commands import this
package.
"""
