"""The sandbox's Google Ad Manager API v1, with Google's token endpoint.

`app` has the routes and is the entrance. `service_account` signs in, `wire` has Google's error model and the reading of
query parameters, `seed` the networks and tables. `guide` is a text for agents.
"""
