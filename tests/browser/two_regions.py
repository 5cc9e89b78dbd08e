"""Two sandboxes in the place of PagerDuty's two regions, behind an HTTPS proxy that leads nowhere else.

Who is given its environment finds ``api.pagerduty.com`` and ``events.eu.pagerduty.com`` here, and cannot reach
the real ones, or any other machine.
"""

import ssl
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import trustme

from airflow_provider_pagerduty.hooks.endpoint import REGIONS
from airflow_provider_pagerduty.sandbox.account import PagerDuty
from airflow_provider_pagerduty.sandbox.server import RunningSandbox, running

#: Left to the client and the server on each side of the proxy.
OWN_HEADERS = {"host", "connection", "content-length", "transfer-encoding", "date", "server"}


@dataclass(frozen=True)
class TwoRegions:
    """The sandboxes, each with tokens and keys of its own, and what leads to them.

    :param asked: PagerDuty's hosts that were asked for, in that order.
    :param refused: other machines, asked for in vain.
    """

    us: RunningSandbox
    eu: RunningSandbox
    environment: dict[str, str]
    asked: list[str]
    refused: list[str]

    def asked_for_tokens(self):
        """Return the hosts of the REST API that were asked for; events may be under way all the time."""
        return [host for host in self.asked if host.startswith("api.")]


@contextmanager
def two_regions(folder: Path):
    """Run both, and the proxy in front of them."""
    with ExitStack() as stack:
        us, eu = (stack.enter_context(running(PagerDuty(strict=True))) for _ in range(2))
        hosts = {
            httpx.URL(address).host: sandbox.url
            for region, sandbox in (("us", us), ("eu", eu))
            for address in (REGIONS[region].rest, REGIONS[region].events)
        }
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "authority.pem"))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*hosts).configure_cert(context)
        proxy = stack.enter_context(_proxy(hosts, context))
        environment = {
            "HTTPS_PROXY": f"http://127.0.0.1:{proxy.server_port}",
            "HTTP_PROXY": f"http://127.0.0.1:{proxy.server_port}",
            "NO_PROXY": "localhost,127.0.0.1,::1",
            "REQUESTS_CA_BUNDLE": str(folder / "authority.pem"),
        }
        yield TwoRegions(us, eu, environment, proxy.asked, proxy.refused)


@contextmanager
def _proxy(hosts, context):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Proxy)
    server.hosts, server.context, server.asked, server.refused = hosts, context, [], []
    server.client = httpx.Client(trust_env=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        server.client.close()


class _Proxy(BaseHTTPRequestHandler):
    """Takes CONNECT to the known hosts, is that host from then on, and hands each request to its sandbox."""

    protocol_version = "HTTP/1.1"
    sandbox = None

    def do_CONNECT(self):
        host, _, port = self.path.rpartition(":")
        if self.sandbox or port != "443" or host not in self.server.hosts:
            self.server.refused.append(self.path)
            self.send_error(403, "Only PagerDuty's own hosts, and they are not really here")
            return
        self.server.asked.append(host)
        self.sandbox = self.server.hosts[host]
        self.send_response(200, "Connection established")
        self.end_headers()
        try:
            self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        except OSError:  # it was hung up, or the certificate is not what it wants
            self.close_connection = True
            return
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.close_connection = False

    def _hand_on(self):
        if self.sandbox is None:  # plain http to somewhere
            self.server.refused.append(self.path)
            self.send_error(403)
            return
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name: value for name, value in self.headers.items() if name.lower() not in OWN_HEADERS}
        answer = self.server.client.request(
            self.command, self.sandbox + self.path, headers=headers, content=body
        )
        self.send_response(answer.status_code)
        for name, value in answer.headers.items():
            if name not in OWN_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def finish(self):
        super().finish()
        self.connection.close()  # which is not the one that the server knows, once it speaks TLS

    do_GET = do_POST = _hand_on  # noqa: N815 (called so by http.server)

    def log_message(self, *_):
        """Stay silent."""
