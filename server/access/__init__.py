"""Who may do what: tokens, principals and their scopes, the accounts of a caller, and the tools that these offer.

`authentication` checks a bearer token. `principals` says who makes a call and whether they may. `accounts_in_reach` has
the accounts and clients of a caller, and `availability` the tools that the settings leave out. `server.calls` asks
`principals.check_permitted` first of all for each call. The packages `calls`, `protocol`, `http` and `commands` import
this one; it imports `server.writes` for the ledger as a caller may see it.
"""
