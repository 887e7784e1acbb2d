"""The table of `docs/guarantees.md` is the specification of reconciliation: each of its rows is driven here.

A row is named by its write and by what is observed. A row without a drive, or a drive without a row, fails.
"""
