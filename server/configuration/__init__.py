"""The settings and accounts of a server.

`settings.load` is the entrance: it returns the settings from arguments, variables, files and the keyring, which
`sources` reads. `accounts.accounts_of` returns the accounts, each with its own credentials. Every package above may
import this one. It imports `clocks`, the names of the sandbox's faults, and `tools`.
"""
