"""The database of the ledger: SQLite in a file, or PostgreSQL that several servers share.

`database` runs transactions and turns the errors of the database into one. `tables` declares the tables and opens the
database; `migrations` brings an older one up to date. `marks` remembers what this machine wrote, so that a ledger that
went back in time is noticed. `journal` and `durability` check what may make a database lose a commit. Only
`server.ledger` imports this package; `server.writes` takes the type `Stopped` from it.
"""
