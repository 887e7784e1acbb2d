"""The sandbox's Interchange: the storefront API v2 over SQLite.

`app` has the routes and is the entrance. A request passes `wire` (rate limit, API key) and `bodies` (validation), and
the module of its subject answers it: `sources`, `bookings` (which refuses to overbook), `media_buys`, `work_items`,
`handoff`, `ad_server_sources` or `projection`. `modules` has the contracts of the modular sources, `seed` the tables
and the first day's data.
"""
