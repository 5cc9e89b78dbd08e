"""A sandbox that stands where PagerDuty's own addresses lead, and the way to it. No other can be reached.

It speaks https with a certificate of an authority of its own, and is a process as anybody would start it.
"""

import re
import select
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

NAMES = ("api.pagerduty.com", "events.pagerduty.com", "api.eu.pagerduty.com", "events.eu.pagerduty.com")
#: Whom it pages in which name: seen by who asks it as ``https://api.pagerduty.com``.
USER_TOKEN = "u+stand-in-for-a-users-token"


@contextmanager
def standing_in() -> Iterator[dict[str, str]]:
    """Run it, and give the environment variables that lead there."""
    command = [str(Path(sys.executable).with_name("airflow-pagerduty")), "sandbox", "--tls", "--port", "0"]
    for name in NAMES:
        command += ["--name", name]
    command += ["--user-token", USER_TOKEN, "--seed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            said = ""
            while "What it holds" not in said:
                line = process.stdout.readline()
                assert line, f"the sandbox did not start:\n{said}"
                said += line
            port = int(re.search(r"https://[\d.]+:(\d+)", said)[1])
            ca_file = re.search(r"REQUESTS_CA_BUNDLE=(\S+)", said)[1]
            with _Proxy(port) as proxy:
                yield {
                    "HTTPS_PROXY": f"http://127.0.0.1:{proxy.server_address[1]}",
                    "NO_PROXY": "localhost,127.0.0.1",
                    "REQUESTS_CA_BUNDLE": ca_file,
                    "SSL_CERT_FILE": ca_file,
                }
        finally:
            process.terminate()


class _Proxy(socketserver.ThreadingTCPServer):
    """Takes CONNECT for PagerDuty's names, leads there to the sandbox, and refuses every other."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, sandbox_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Connect)
        self.sandbox_port = sandbox_port

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class _Connect(socketserver.StreamRequestHandler):
    rbufsize = 0  # what comes after the request's head is not ours to read

    def handle(self):
        method, target, _ = self.rfile.readline().decode().split()
        while self.rfile.readline().strip():
            pass
        if method != "CONNECT" or target.removesuffix(":443") not in NAMES:
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", self.server.sandbox_port), 10) as sandbox:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with suppress(OSError):
                _pipe(self.connection, sandbox)


def _pipe(one: socket.socket, other: socket.socket) -> None:
    to = {one: other, other: one}
    while True:
        for source in select.select(list(to), [], [])[0]:
            if not (data := source.recv(65536)):
                return
            to[source].sendall(data)
