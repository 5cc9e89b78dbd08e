"""A PagerDuty on your own machine, to try and to test against; needs the extra ``sandbox``.

It imports nothing of the rest of this package: a server that shared its validator would share its mistakes.
``model`` is what PagerDuty keeps and ``directory`` who it is about; ``account`` and the ``…_commands`` change
it, ``journal`` keeps the changes in a file. ``events_api`` and ``rest`` are its two APIs, ``page`` the
incidents in a browser, ``readback`` the same as JSON. ``faults`` is what can be made to go wrong, ``guard`` who
may look, ``server`` how it all runs, and ``testing`` what the pytest fixture gives.
"""
