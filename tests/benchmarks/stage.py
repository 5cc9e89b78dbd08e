"""Where a benchmark plays: an Airflow home with an outbox, certificates, servers, and clients in processes."""

import contextlib
import http.client
import json
import os
import select
import shutil
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import trustme
from road import HOST

HERE = Path(__file__).parent
KEY = "0123456789abcdefghijklmnopqrstuv"
#: Of this machine's environment, what would change what is measured.
FOREIGN = ("AIRFLOW", "_AIRFLOW", "PYTHONDONTWRITE", "PYTHONPROFILE", "SSL_CERT", "REQUESTS_CA", "CURL_CA")
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
#: Without a word of a relay, as none runs here.
MAKE_OUTBOX = (
    "from airflow_provider_pagerduty.outbox.location import open_outbox; open_outbox().succeeded('nobody')"
)


class Stage:
    """All that the clients of one trial are given; the same for each.

    :param folder: where it may write.
    :param outbox: an outbox's file to begin with; one is made without it.
    :param more: environment variables.
    """

    def __init__(self, folder, outbox=None, **more):
        self.folder = Path(folder)
        self.home = self.folder / "airflow"
        self.home.mkdir(parents=True)
        authority = trustme.CA()
        self._certificate = self.folder / "server.pem"
        authority.issue_cert(HOST, "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(self._certificate)
        trusted = self.folder / "trusted.pem"
        authority.cert_pem.write_to_path(trusted)
        self._trust = ssl.create_default_context(cafile=trusted)
        connection = {"conn_type": "pagerduty_events", "password": KEY}
        own = {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__PAGERDUTY__DEPLOYMENT": "benchmark",
            "AIRFLOW_CONN_PAGERDUTY_EVENTS_DEFAULT": json.dumps(connection),
            "REQUESTS_CA_BUNDLE": str(trusted),  # for requests and for us
            "SSL_CERT_FILE": str(trusted),  # for httpx and its successors
        }
        kept = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith(FOREIGN) and name.lower() not in PROXIES
        }
        self.environment = kept | own | more
        self.outbox = self.home / "pagerduty-outbox.db"
        if outbox is None:
            self.run("-c", MAKE_OUTBOX)
        else:
            shutil.copy(outbox, self.outbox)

    def run(self, *arguments, **more):
        """Run this Python, with more variables in its environment, and return what it printed."""
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            env=self.environment | more,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if done.returncode:
            said = f"{done.stdout[-2_000:]}{done.stderr[-4_000:]}"
            raise RuntimeError(f"{' '.join(map(str, arguments))} ended with {done.returncode}:\n{said}")
        return done.stdout

    def script(self, name, *arguments):
        """Return what a script of this folder printed as JSON, in its last line."""
        return json.loads(self.run(HERE / name, *arguments).splitlines()[-1])

    def client(self, side, call, port, **arguments):
        """Return what a client measured."""
        return self.script("client.py", side, call, port, json.dumps(arguments))

    @contextlib.contextmanager
    def server(self, *options):
        """Run a PagerDuty; its port."""
        with self._port_of("server.py", self._certificate, *options) as port:
            yield port

    @contextlib.contextmanager
    def long_road(self, port, seconds=0.025):
        """Run a road to a port that takes so long each way; its port."""
        with self._port_of("delay_proxy.py", port, seconds) as own:
            yield own

    @contextlib.contextmanager
    def closed_door(self):
        """Hold a port at which nobody listens."""
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            yield held.getsockname()[1]

    def seen(self, port):
        """Return what a server has seen."""
        asked = http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=self._trust)
        with contextlib.closing(asked):
            asked.request("GET", "/seen")
            return json.load(asked.getresponse())

    @contextlib.contextmanager
    def _port_of(self, script, *arguments):
        command = [sys.executable, HERE / script, *map(str, arguments)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=self.environment) as process:
            try:
                if not select.select([process.stdout], [], [], 30)[0]:
                    raise RuntimeError(f"{script} did not come up")
                yield int(process.stdout.readline())
            finally:
                process.kill()
