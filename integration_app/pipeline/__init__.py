"""The line a message walks, top to bottom: intake, prepare, group, compose, drain, policy, reconcile.

`prepare`, `group`, `compose` and `policy` are pure. Flask, RQ and the names of providers are unknown here.
"""
