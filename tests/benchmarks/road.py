"""The road from every client to the benchmark's server, one for all: they all mean https://events.pagerduty.com.

The Apache package knows no other address, so its name is looked up as the loopback, and port 443 there is the
server's. Nothing else differs from a real road, and nothing differs between the clients.
"""

import socket

HOST = "events.pagerduty.com"
URL = f"https://{HOST}/v2/enqueue"


def lead_to(port):
    """Lead this process's connections to PagerDuty to a port of this machine."""
    look_up, connect = socket.getaddrinfo, socket.socket.connect

    def getaddrinfo(host, *more, **options):
        return look_up("127.0.0.1" if host in (HOST, HOST.encode()) else host, *more, **options)

    def connect_to(self, address):
        return connect(self, ("127.0.0.1", port) if address[:2] == ("127.0.0.1", 443) else address)

    socket.getaddrinfo = getaddrinfo
    socket.socket.connect = connect_to
