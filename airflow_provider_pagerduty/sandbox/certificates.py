"""A certificate of the sandbox's own authority, made anew at each start; only the authority touches the disk.

Nobody trusts it who was not told to, and it can vouch for nobody else: its key is gone when the sandbox ends.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path

import trustme

#: Where clients look for authorities: requests (and with it pdpyras, ``pagerduty`` 6 and this package), then
#: Python's own ssl (httpx, ``pagerduty`` 7).
VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


def make_context(names: Sequence[str], ca_file: Path) -> ssl.SSLContext:
    """Return what a server needs to be these hosts, and write who vouches for it into a file.

    :param names: names and IP addresses.
    """
    authority = trustme.CA(organization_name="PagerDuty sandbox")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    authority.issue_cert(*names).configure_cert(context)
    partly = ca_file.with_name(f"{ca_file.name}.{os.getpid()}")
    partly.write_bytes(authority.cert_pem.bytes())
    # Whole, or not at all: a client may be reading the one of the last start.
    partly.replace(ca_file)
    return context
