"""Airflow 3: `airflow standalone`, which is a scheduler, a dag-processor, a triggerer and an api-server."""

import socket
from contextlib import ExitStack

import requests
from airflow import __version__
from local_airflow import LocalAirflow


class Airflow3(LocalAirflow):
    version = __version__

    def _start(self):
        ports = free_ports(3)
        self._url = f"http://localhost:{ports[0]}"
        self.environment |= {
            "AIRFLOW__API__BASE_URL": self._url,
            "AIRFLOW__API__PORT": str(ports[0]),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            # A callback for a file that is being parsed waits until the file is parsed again.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "10",
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(ports[1]),
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(ports[2]),
            # Whose supervisor is gone is failed after this long; the supervisor's heart beats every 5 seconds.
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "25",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
        }
        self.launch("standalone", "-m", "airflow", "standalone")
        self.wait("a healthy Airflow", self._is_healthy)

    def backfill(self, dag_id, date):
        self.run("backfill", "create", "--dag-id", dag_id, "--from-date", date, "--to-date", date)

    def _is_healthy(self):
        try:
            health = requests.get(f"{self._url}/api/v2/monitor/health", timeout=5).json()
        except (requests.RequestException, ValueError):
            return False
        parts = ("metadatabase", "scheduler", "dag_processor", "triggerer")
        return all(health.get(part, {}).get("status") == "healthy" for part in parts)


def free_ports(count):
    with ExitStack() as stack:
        bound = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in bound:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in bound]
