"""The Airflow whose pages are looked at: its web server beside what the real runs have, and nothing preset.

What starts and ends an Airflow is in ``tests/e2e``. Connections come from the forms here, and PagerDuty's two
regions are sandboxes.
"""

import json
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import requests
from airflow import __version__
from cryptography.fernet import Fernet

sys.path.append(str(Path(__file__).parents[1] / "e2e"))  # not done by pytest in importlib mode
IS_AIRFLOW_2 = __version__.startswith("2.")

from airflow3 import free_ports  # noqa: E402

if IS_AIRFLOW_2:
    from airflow2 import Airflow2 as RealAirflow
else:
    from airflow3 import Airflow3 as RealAirflow

DAGS = Path(__file__).with_name("dags")


class Site(RealAirflow):
    """An Airflow with pages.

    :param home: an empty folder.
    :param regions: what stands for PagerDuty.
    """

    def __init__(self, home, regions):
        super().__init__(home, "")
        key = Fernet.generate_key()
        self._fernet = Fernet(key)
        self.environment = {
            name: value for name, value in self.environment.items() if not name.startswith("AIRFLOW_CONN_")
        }
        self.environment |= regions.environment | {
            "AIRFLOW__CORE__FERNET_KEY": key.decode(),
            "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
            "AIRFLOW__PAGERDUTY__DEPLOYMENT": "production",
        }

    def _copy_dags(self, folder):
        shutil.copytree(DAGS, folder, ignore=shutil.ignore_patterns("__pycache__"))

    @property
    def url(self):
        """Where its pages are."""
        return self._url

    def stored(self, conn_id):
        """Return a connection as it lies in Airflow's database, deciphered."""
        with closing(sqlite3.connect(self.home / "airflow.db")) as database:
            [row] = database.execute(
                "SELECT conn_type, host, port, password, extra FROM connection WHERE conn_id = ?", [conn_id]
            )
        conn_type, host, port, password, extra = row
        return {
            "conn_type": conn_type,
            "host": host or None,
            "port": port,
            "password": self._decipher(password),
            # Airflow 3 writes null for what was left empty.
            "extra": {k: v for k, v in json.loads(self._decipher(extra) or "{}").items() if v is not None},
        }

    def _decipher(self, text):
        return self._fernet.decrypt(text.encode()).decode() if text else None


class Site2(Site):
    """Airflow 2, where who comes is an administrator."""

    def _start(self):
        [port] = free_ports(1)
        self._url = f"http://localhost:{port}"
        self.environment |= {
            "AIRFLOW__WEBSERVER__BASE_URL": self._url,
            "AIRFLOW__WEBSERVER__WEB_SERVER_PORT": str(port),
            "AIRFLOW__WEBSERVER__WEB_SERVER_HOST": "127.0.0.1",
            "AIRFLOW__WEBSERVER__WORKERS": "1",
            "AIRFLOW__WEBSERVER__WORKER_REFRESH_INTERVAL": "0",
        }
        (self.home / "webserver_config.py").write_text('AUTH_ROLE_PUBLIC = "Admin"\n')
        super()._start()
        self.launch("webserver", "-m", "airflow", "webserver")
        self.wait("the web server", self._is_up)

    def _is_up(self):
        try:
            return requests.get(f"{self._url}/health", timeout=5).ok
        except requests.RequestException:
            return False


class Site3(Site):
    """Airflow 3, where who comes is an administrator."""


ThisSite = Site2 if IS_AIRFLOW_2 else Site3
