"""A PagerDuty on your own machine, to try and to test against; needs the extra ``sandbox``.

It imports nothing of the rest of this package: a server that shared its validator would share its mistakes.
``model`` is what PagerDuty keeps, ``events_api`` how events come in, ``readback`` how tests and the demo
look at it, ``server`` how it runs.
"""
