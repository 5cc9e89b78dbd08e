# ruff: noqa: T201 (it prints its port)
"""A PagerDuty to measure against: TLS on the loopback, an answer, and no work worth the name.

python server.py CERTIFICATE [--answer STATUS|never] [--per-minute N]

It prints its port. What has come it says at ``GET /seen``, which is not counted.
"""

import argparse
import asyncio
import collections
import json
import ssl
import time
import uuid

TOO_MANY = {
    "status": "throttle exceeded",
    "message": "Requests for this service are arriving too quickly.  Please retry later.",
    "errors": ["Enhance Your Calm."],
}


class PagerDuty:
    """Counts what comes, and answers it.

    :param answer: an HTTP status, or ``never``.
    :param per_minute: how many events of any minute are taken; the others are answered 429.
    """

    def __init__(self, answer="202", per_minute=None):
        self._answer = answer
        self._per_minute = per_minute
        self._taken = collections.deque()
        self._keys = set()
        self.seen = {"connections": 0, "requests": 0, "accepted": 0, "incidents": 0}

    def take(self, body):
        """Return the status and the body of an answer; None for none."""
        self.seen["requests"] += 1
        if self._answer == "never":
            return None
        if self._answer != "202":
            return int(self._answer), TOO_MANY if self._answer == "429" else {"status": "error"}
        now = time.monotonic()
        while self._taken and self._taken[0] <= now - 60:
            self._taken.popleft()
        if self._per_minute is not None and len(self._taken) >= self._per_minute:
            return 429, TOO_MANY
        self._taken.append(now)
        self._keys.add(key := json.loads(body).get("dedup_key") or uuid.uuid4().hex)
        self.seen["accepted"] += 1
        self.seen["incidents"] = len(self._keys)
        return 202, {"status": "success", "message": "Event processed", "dedup_key": key}


class Connection(asyncio.Protocol):
    """One client's connection, kept for as long as it likes."""

    def __init__(self, pagerduty):
        self._pagerduty = pagerduty
        self._came = b""

    def connection_made(self, transport):
        self._transport = transport
        self._is_counted = False

    def data_received(self, data):
        self._came += data
        while (end := self._came.find(b"\r\n\r\n")) >= 0:
            head = self._came[:end].lower()
            _, _, length = head.partition(b"\r\ncontent-length:")
            whole = end + 4 + int(length.split(b"\r\n", 1)[0] or 0)
            if len(self._came) < whole:
                return
            body, self._came = self._came[end + 4 : whole], self._came[whole:]
            if head.startswith(b"get /seen "):
                self._write(200, self._pagerduty.seen)
                continue
            if not self._is_counted:
                self._is_counted = True
                self._pagerduty.seen["connections"] += 1
            if (answer := self._pagerduty.take(body)) is not None:
                self._write(*answer)

    def _write(self, status, answer):
        body = json.dumps(answer).encode()
        head = (
            f"HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)


async def serve(certificate, pagerduty):
    """Serve until the process is ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(pagerduty), "127.0.0.1", 0, ssl=context, backlog=1_000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("certificate")
    parser.add_argument("--answer", default="202")
    parser.add_argument("--per-minute", type=int)
    given = parser.parse_args()
    asyncio.run(serve(given.certificate, PagerDuty(given.answer, given.per_minute)))


if __name__ == "__main__":
    main()
