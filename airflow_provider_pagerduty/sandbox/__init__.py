"""A PagerDuty on your own machine, to try and to test against; needs the extra ``sandbox``.

It imports nothing of the rest of this package: a server that shared its validator would share its mistakes.
``model`` is what PagerDuty keeps, ``account`` what changes it, ``events_api`` and ``rest`` its two APIs,
``faults`` what can be made to go wrong, ``page`` the incidents in a browser, ``server`` how it all runs.
"""
