"""The sandbox's FreeWheel: inventory packages, standard attributes, proposed insertion orders and three v3 lists.

`app` has the routes and is the entrance. A request passes `tokens` (rate limit, bearer token, network functions) and is
answered by the module of its resource, with the helpers in `wire`. `package_bodies` and `proposal_bodies` validate
request bodies, `seed` has the tables and the first day's data.
"""
