"""Both senders against real sockets that behave as badly as networks do."""

import asyncio
import json
import logging
import os
import signal
import socket
import ssl
import threading
import time
import traceback
from contextlib import contextmanager, suppress

import pytest
import trustme

from airflow_provider_pagerduty import delivery
from airflow_provider_pagerduty.exceptions import DeliveryFailed, EventRejected
from airflow_provider_pagerduty.hooks.async_sender import AsyncSender
from airflow_provider_pagerduty.hooks.pagerduty import PagerdutyHook
from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsAsyncHook, PagerdutyEventsHook
from airflow_provider_pagerduty.hooks.sender import MAX_ANSWER, Sender
from airflow_provider_pagerduty.hooks.watch import Watch

KEY = "0123456789abcdefghijklmnopqrstuv"
ACCEPTED = b'{"status":"success","message":"Event processed","dedup_key":"from-the-server"}'
BUDGET = 1.0
#: The issue's own bound: a call may overshoot its budget by at most a second.
BUDGET_AND_OVERSHOOT = BUDGET + 1.0


class WireServer:
    """Takes connections and does to each request what the script says; the script's last line repeats."""

    def __init__(self, script, tls=None):
        self.script = list(script)
        self.requests = []
        self.connections = 0
        self.ended = threading.Event()
        self.served = threading.Event()
        self._tls = tls
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open = [self._listening]
        self.port = self._listening.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with suppress(OSError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            self._open.append(connection)
            with connection, connection.makefile("rb") as stream:
                while request := self._read(stream):
                    with self._lock:
                        self.requests.append(request)
                        act = self.script.pop(0) if len(self.script) > 1 else self.script[0]
                    if not act(connection, self):
                        return
        self.served.set()

    def _read(self, stream):
        first = stream.readline().decode().split()
        if not first:
            return None
        headers = {}
        while line := stream.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
        return {"line": first, "headers": headers, "body": body}

    def close(self):
        self.ended.set()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


def answer(status, body=b"", **headers):
    def act(connection, server):
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        return True

    return act


def drip(start):
    """Send what is given, then a byte at a time, for ever."""

    def act(connection, server):
        connection.sendall(start)
        while not server.ended.wait(0.02):
            connection.sendall(b"x")
        return False

    return act


def silence(connection, server):
    server.ended.wait(30)
    return False


def hang_up(connection, server):
    return False


accept = answer(202, ACCEPTED)


@pytest.fixture
def wire():
    servers = []

    def start(*script, tls=None):
        servers.append(WireServer(script, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


class InALoop:
    """The asynchronous hook, called as the synchronous one is; each call with a loop of its own."""

    def __init__(self, *args, **kwargs):
        self._hook = PagerdutyEventsAsyncHook(*args, **kwargs)

    def create_event(self, *args, **kwargs):
        return asyncio.run(self._hook.create_event(*args, **kwargs))

    def create_change_event(self, *args, **kwargs):
        return asyncio.run(self._hook.create_change_event(*args, **kwargs))


@pytest.fixture(params=[PagerdutyEventsHook, InALoop], ids=["sync", "async"])
def events_hook(request, configure):
    """Return a function that makes a hook, of either kind, to a base URL, with a budget of one second."""

    def make(base_url, budget=BUDGET):
        configure(base_url=base_url, send_timeout=budget)
        return request.param(integration_key=KEY)

    return make


def timed(call):
    started = time.monotonic()
    try:
        result = call()
    except (DeliveryFailed, EventRejected) as error:
        result = error
    return result, time.monotonic() - started


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(silence, id="never answers"),
        pytest.param(drip(b"HTTP/1.1 202 Accepted\r\nX-Header: "), id="drips its headers"),
        pytest.param(drip(b"HTTP/1.1 "), id="drips its status"),
        pytest.param(answer(503, b"down"), id="is down"),
        pytest.param(answer(429, b"{}", Retry_After="1"), id="is throttling"),
        pytest.param(hang_up, id="hangs up"),
    ],
)
def test_a_failing_server_costs_the_budget_and_no_more(wire, events_hook, behaviour):
    server = wire(behaviour)
    result, seconds = timed(lambda: events_hook(server.url).create_event("boom", "error"))
    assert isinstance(result, DeliveryFailed)
    assert seconds < BUDGET_AND_OVERSHOOT
    assert server.requests


def test_a_dripping_error_is_an_error_in_time(wire, events_hook):
    server = wire(drip(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 99999\r\n\r\nInvalid routing key "))
    result, seconds = timed(lambda: events_hook(server.url).create_event("boom", "error"))
    assert isinstance(result, EventRejected)
    assert seconds < BUDGET_AND_OVERSHOOT


def test_accepted_is_delivered_even_if_the_rest_of_the_answer_never_ends(wire, events_hook):
    server = wire(drip(b"HTTP/1.1 202 Accepted\r\nContent-Length: 99999\r\n\r\n"))
    result, seconds = timed(lambda: events_hook(server.url).create_event("boom", "error", dedup_key="mine"))
    assert result == {"status": "success", "dedup_key": "mine"}
    assert seconds < BUDGET_AND_OVERSHOOT
    assert len(server.requests) == 1


@pytest.fixture
def silent_resolver(monkeypatch):
    """Have the look-up of pagerduty.test not answer until the event is set; then it leads to a port."""
    released = threading.Event()
    real = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        if host in ("pagerduty.test", b"pagerduty.test"):
            released.wait(30)
            return real("127.0.0.1", *args, **kwargs)
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield released
    released.set()


def test_a_resolver_that_never_answers_costs_the_budget_and_no_more(events_hook, silent_resolver):
    hook = events_hook("https://pagerduty.test")
    result, seconds = timed(lambda: hook.create_event("boom", "error"))
    assert isinstance(result, DeliveryFailed)
    assert seconds < BUDGET_AND_OVERSHOOT


def test_a_resolver_that_falls_silent_later_is_no_different(wire, silent_resolver, monkeypatch):
    """It hangs when the second connection is made, in the same loop."""
    monkeypatch.setattr("airflow_provider_pagerduty.hooks.async_sender.route_to", lambda url: no_route())

    def accept_and_hang_up(connection, server):
        accept(connection, server)
        return False

    server = wire(accept_and_hang_up)
    silent_resolver.set()

    async def run():
        async with AsyncSender(f"http://pagerduty.test:{server.port}") as sender:
            first, _, _ = await sender.post_event("/v2/enqueue", b"{}", BUDGET)
            silent_resolver.clear()
            second, _, _ = await sender.post_event("/v2/enqueue", b"{}", BUDGET)
            return first, second

    (first, second), seconds = timed(lambda: asyncio.run(run()))
    assert isinstance(first, delivery.Delivered)
    assert isinstance(second, delivery.Retry)
    assert seconds < BUDGET_AND_OVERSHOOT + 0.5


@contextmanager
def interrupted_soon():
    """Interrupt the main thread in a moment, as Airflow's task timeout does: by a signal that raises."""

    def interrupt(*_):
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGUSR1, interrupt)
    alarm = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGUSR1))
    alarm.start()
    try:
        yield
    finally:
        alarm.join()
        signal.signal(signal.SIGUSR1, previous)


def test_an_interrupted_attempt_sends_nothing_afterwards(wire, silent_resolver, monkeypatch):
    """Airflow's task timeout raises in the main thread, from a signal."""
    server = wire(accept)
    monkeypatch.setattr("airflow_provider_pagerduty.hooks.pools.route_to", lambda url: no_route())
    before = set(attempts_under_way())

    with interrupted_soon(), pytest.raises(KeyboardInterrupt):
        Sender(f"http://pagerduty.test:{server.port}").post_event("/v2/enqueue", b"{}", 10)
    attempts = set(attempts_under_way()) - before
    silent_resolver.set()
    end(attempts)
    assert server.served.wait(10)
    assert server.requests == []


def test_nothing_is_sent_once_the_caller_was_told_that_it_failed(wire, silent_resolver, monkeypatch):
    server = wire(accept)
    monkeypatch.setattr("airflow_provider_pagerduty.hooks.pools.route_to", lambda url: no_route())
    sender = Sender(f"http://pagerduty.test:{server.port}")
    before = set(attempts_under_way())
    verdict, _, _ = sender.post_event("/v2/enqueue", b"{}", 0.3)
    assert isinstance(verdict, delivery.Retry)
    attempts = set(attempts_under_way()) - before
    assert attempts, "the attempt is still looking up the name"
    silent_resolver.set()
    end(attempts)
    # The attempt went as far as to connect; that its end came without a request is seen once it was served.
    assert server.served.wait(10)
    assert server.requests == []


def attempts_under_way():
    return [thread for thread in threading.enumerate() if thread.name == "pagerduty-attempt"]


def end(attempts):
    for attempt in attempts:
        attempt.join(10)
        assert not attempt.is_alive()


def no_route():
    from airflow_provider_pagerduty.hooks.endpoint import Route

    return Route({}, None, True)


def test_a_cut_attempt_ends_its_connection_and_the_next_event_gets_a_new_one(wire):
    server = wire(drip(b"HTTP/1.1 202 Accepted\r\nX-Header: "), accept)
    sender = Sender(server.url)
    before = set(attempts_under_way())
    assert isinstance(sender.post_event("/v2/enqueue", b"{}", 0.3)[0], delivery.Retry)
    end(set(attempts_under_way()) - before)
    assert isinstance(sender.post_event("/v2/enqueue", b"{}", 5)[0], delivery.Delivered)
    assert server.connections == 2


class TestAKeptConnection:
    """An event that finds the connection of the one before goes out in its caller's own thread."""

    @pytest.fixture(params=["http", "https"])
    def kept(self, wire, authority, monkeypatch, request):
        """Return a function that gives a server and a sender; what becomes of the next event, it is told."""
        context, path = authority
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", path)
        tls = context if request.param == "https" else None

        def kept(act):
            server = wire(accept, act, accept, tls=tls)
            sender = Sender(server.url)
            assert isinstance(sender.post_event("/v2/enqueue", b"{}", 5)[0], delivery.Delivered)
            return server, sender

        return kept

    def test_it_is_used(self, kept):
        server, sender = kept(accept)
        before = set(attempts_under_way())
        assert isinstance(sender.post_event("/v2/enqueue", b"{}", 5)[0], delivery.Delivered)
        assert set(attempts_under_way()) == before
        assert (server.connections, len(server.requests)) == (1, 2)

    @pytest.mark.parametrize(
        "act",
        [silence, drip(b"HTTP/1.1 202 Accepted\r\nX-Header: ")],
        ids=["falls silent", "drips headers"],
    )
    def test_it_is_cut_in_time_and_the_next_attempt_makes_another(self, kept, act):
        server, sender = kept(act)
        (verdict, attempts, _), seconds = timed(lambda: sender.post_event("/v2/enqueue", b"{}", 3))
        assert isinstance(verdict, delivery.Delivered)
        assert attempts == 2
        assert seconds < 4
        assert server.connections == 2

    def test_a_body_that_drips_is_not_waited_for_beyond_the_budget(self, kept):
        _, sender = kept(drip(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100000\r\n\r\n"))
        (verdict, attempts, _), seconds = timed(lambda: sender.post_event("/v2/enqueue", b"{}", BUDGET))
        assert isinstance(verdict, delivery.Delivered)
        assert attempts == 1
        assert seconds < BUDGET_AND_OVERSHOOT

    @pytest.mark.parametrize(
        "act",
        [silence, drip(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100000\r\n\r\n")],
        ids=["before the answer", "behind its status"],
    )
    def test_an_interrupt_is_passed_on_at_once(self, kept, act):
        _, sender = kept(act)

        started = time.monotonic()
        with interrupted_soon(), pytest.raises(KeyboardInterrupt):
            sender.post_event("/v2/enqueue", b"{}", 20)
        assert time.monotonic() - started < 3

    def test_one_that_the_server_has_closed_meanwhile_costs_no_attempt(self, wire):
        hung_up = threading.Event()

        def accept_and_hang_up(connection, server):
            accept(connection, server)
            connection.shutdown(socket.SHUT_RDWR)
            hung_up.set()
            return False

        server = wire(accept_and_hang_up, accept)
        sender = Sender(server.url)
        sender.post_event("/v2/enqueue", b"{}", 5)
        assert hung_up.wait(5)
        verdict, attempts, _ = sender.post_event("/v2/enqueue", b"{}", 5)
        assert isinstance(verdict, delivery.Delivered)
        assert (attempts, server.connections) == (1, 2)


def test_a_forked_process_has_a_watch_of_its_own():
    """Airflow forks for each task, and only the thread that forks is there afterwards."""
    watch, cut = Watch(), threading.Event()
    with watch.over(lambda: None, 30):
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            with watch.over(cut.set, 0.1):
                os._exit(0 if cut.wait(5) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_retry_carries_the_same_dedup_key_so_that_it_opens_no_second_alert(wire, events_hook):
    server = wire(hang_up, answer(500), accept)
    # The budget is enough for three attempts with the longest waits in between.
    events_hook(server.url, budget=10).create_event("boom", "error")
    keys = {json.loads(request["body"])["dedup_key"] for request in server.requests}
    assert len(server.requests) == 3
    assert len(keys) == 1


def test_a_silent_connection_leaves_time_for_another_one(wire, events_hook):
    server = wire(silence, accept)
    result, seconds = timed(lambda: events_hook(server.url, budget=4).create_event("boom", "error"))
    assert result["dedup_key"] == "from-the-server"
    assert 2 <= seconds < 4
    assert len({json.loads(request["body"])["dedup_key"] for request in server.requests}) == 1


def test_a_short_outage_is_waited_out_to_the_end_of_the_budget(wire, post):
    for _ in range(20):
        server = wire(answer(503, b"down"))
        clock = Clock()
        _, _, seconds = post(server.url, 10, clock)
        assert 9 <= seconds <= 10


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("HTTPS_PROXY", "foo://127.0.0.1:1"),
        ("HTTPS_PROXY", "http://127.0.0.1:99999"),
        ("HTTPS_PROXY", "http://[bad"),
    ],
)
def test_a_proxy_that_cannot_be_one_is_a_delivery_failure_too(events_hook, monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    result, seconds = timed(lambda: events_hook("https://pagerduty.example").create_event("boom", "error"))
    assert isinstance(result, DeliveryFailed)
    assert seconds < BUDGET_AND_OVERSHOOT


def test_the_last_cause_of_a_timeout_says_so(wire, events_hook):
    result, _ = timed(lambda: events_hook(wire(silence).url).create_event("boom", "error"))
    assert "no answer within 1.0 s" in result.last_cause


class Clock:
    """A clock that only a sleep moves."""

    def __init__(self):
        self.now = 1000.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    async def async_sleep(self, seconds):
        self.sleep(seconds)


@pytest.fixture(params=["sync", "async"])
def post(request):
    """Return a function that posts an event with an injected clock, by either sender."""

    def post(url, seconds, clock):
        if request.param == "sync":
            return Sender(url, clock=clock, sleep=clock.sleep).post_event("/v2/enqueue", b"{}", seconds)

        async def run():
            async with AsyncSender(url, clock=clock, sleep=clock.async_sleep) as sender:
                return await sender.post_event("/v2/enqueue", b"{}", seconds)

        return asyncio.run(run())

    return post


def test_retry_after_is_waited_for(wire, post):
    server = wire(answer(429, b"{}", Retry_After="7"), accept)
    clock = Clock()
    verdict, attempts, _ = post(server.url, 10, clock)
    assert isinstance(verdict, delivery.Delivered)
    assert attempts == 2
    assert len(clock.slept) == 1
    assert 7 <= clock.slept[0] <= 8


def test_a_retry_after_beyond_the_budget_is_not_waited_for(wire, post):
    server = wire(answer(429, b"{}", Retry_After="60"))
    clock = Clock()
    verdict, attempts, seconds = post(server.url, 10, clock)
    assert isinstance(verdict, delivery.Retry)
    assert (attempts, seconds, clock.slept) == (1, 0.0, [])


def test_a_server_that_is_down_is_tried_several_times_within_the_budget(wire, post):
    server = wire(answer(503, b"down"))
    clock = Clock()
    verdict, attempts, seconds = post(server.url, 10, clock)
    assert isinstance(verdict, delivery.Retry)
    assert attempts == len(server.requests) >= 3
    assert seconds <= 10


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_an_error_and_not_followed(wire, events_hook, status):
    elsewhere = wire(accept)
    server = wire(answer(status, Location=f"{elsewhere.url}/v2/enqueue"))
    with pytest.raises(DeliveryFailed, match=f"HTTP {status}.*redirect"):
        events_hook(server.url).create_event("boom", "error")
    assert len(server.requests) == 1
    assert elsewhere.requests == []


def test_a_portals_page_is_no_delivery(wire, events_hook):
    server = wire(answer(200, b"<html>Please sign in to the hotel's network</html>"))
    with pytest.raises(DeliveryFailed, match="HTTP 200"):
        events_hook(server.url).create_event("boom", "error")


def test_a_plain_text_refusal_is_shown(wire, events_hook):
    server = wire(answer(400, b"Invalid routing key"))
    with pytest.raises(EventRejected, match="Invalid routing key") as caught:
        events_hook(server.url).create_event("boom", "error")
    assert caught.value.errors == ["Invalid routing key"]
    assert len(server.requests) == 1


def test_a_refusals_reasons_are_pagerdutys_own(wire, events_hook):
    reasons = ["'payload.source' is missing or blank", "'payload.severity' is missing or blank"]
    server = wire(answer(400, json.dumps({"status": "invalid event", "errors": reasons}).encode()))
    with pytest.raises(EventRejected) as caught:
        events_hook(server.url).create_change_event("deployed")
    assert caught.value.errors == reasons


def test_of_an_enormous_answer_only_the_start_is_read(wire, post):
    server = wire(answer(500, b"x" * 5_000_000))
    verdict, _, _ = post(server.url, 5, Clock())
    assert isinstance(verdict, delivery.Retry)
    assert len(verdict.cause) < MAX_ANSWER + 200


def test_of_a_long_answer_an_error_shows_the_start(wire, events_hook):
    with pytest.raises(EventRejected) as caught:
        events_hook(wire(answer(400, b"x" * 50_000)).url).create_event("boom", "error")
    assert len(str(caught.value)) < 1_000


@pytest.mark.parametrize(
    "behaviour",
    [
        answer(400, json.dumps({"errors": [f"no such key: {KEY}"]}).encode()),
        answer(400, f"no such key: {KEY}".encode()),
        answer(500, f"crashed on {KEY}".encode()),
        answer(404, f"nothing for {KEY}".encode()),
        answer(400, b"x" * 485 + KEY.encode()),
        answer(400, b"x" * 570 + KEY.encode()),
        hang_up,
    ],
    ids=["json", "text", "500", "404", "at a cut", "at another cut", "hang up"],
)
def test_no_error_or_log_line_shows_the_key(wire, events_hook, behaviour, caplog):
    caplog.set_level(logging.DEBUG)
    hook = events_hook(wire(behaviour).url)
    with pytest.raises((DeliveryFailed, EventRejected)) as caught:
        hook.create_event("boom", "error", custom_details={"n": float("nan")})
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(hook) + caplog.text
    assert KEY[:8] not in shown


def test_a_netrc_file_does_not_replace_the_credentials(wire, events_hook, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password something\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = wire(accept)
    events_hook(server.url).create_event("boom", "error")
    assert "authorization" not in server.requests[0]["headers"]
    rest = wire(answer(200, b'{"abilities": []}'))
    monkeypatch.setenv("AIRFLOW__PAGERDUTY__BASE_URL", rest.url)
    PagerdutyHook(token="the-token").get_session().get("/abilities")
    assert rest.requests[0]["headers"]["authorization"] == "Token token=the-token"


def test_the_loopback_goes_through_no_proxy(wire, events_hook, monkeypatch):
    proxy, server = wire(answer(502)), wire(accept)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    events_hook(server.url).create_event("boom", "error")
    assert proxy.connections == 0
    assert len(server.requests) == 1


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_elsewhere_the_environments_proxy_is_asked(wire, events_hook, monkeypatch, scheme):
    proxy = wire(answer(502))
    monkeypatch.setenv("HTTPS_PROXY", f"{scheme}127.0.0.1:{proxy.port}")
    with pytest.raises(DeliveryFailed):
        events_hook("https://pagerduty.example").create_event("boom", "error")
    assert proxy.requests[0]["line"][:2] == ["CONNECT", "pagerduty.example:443"]
    assert all(KEY.encode() not in request["body"] for request in proxy.requests)


def test_a_no_proxy_entry_is_heeded(wire, events_hook, monkeypatch):
    proxy = wire(answer(502))
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    monkeypatch.setenv("NO_PROXY", ".invalid")
    with pytest.raises(DeliveryFailed):
        events_hook("https://pagerduty.invalid").create_event("boom", "error")
    assert proxy.connections == 0


@pytest.fixture
def authority(tmp_path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context, str(tmp_path / "authority.pem")


def test_an_authority_named_for_requests_is_trusted(wire, events_hook, authority, monkeypatch):
    context, path = authority
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", path)
    server = wire(accept, tls=context)
    assert events_hook(server.url).create_event("boom", "error")["dedup_key"] == "from-the-server"


def test_an_unknown_authority_is_not_trusted(wire, events_hook, authority):
    server = wire(accept, tls=authority[0])
    with pytest.raises(DeliveryFailed, match="certificate"):
        events_hook(server.url).create_event("boom", "error")
    assert server.requests == []


def test_a_missing_authority_file_is_named(wire, events_hook, authority, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/authority.pem")
    server = wire(accept, tls=authority[0])
    with pytest.raises(DeliveryFailed, match="authority.pem|No such file"):
        events_hook(server.url).create_event("boom", "error")


def test_one_connection_serves_many_events(wire, configure):
    server = wire(accept)
    configure(base_url=server.url)
    hook = PagerdutyEventsHook(KEY)
    for _ in range(5):
        hook.create_event("boom", "error")
    assert (server.connections, len(server.requests)) == (1, 5)

    async def run():
        async with PagerdutyEventsAsyncHook(KEY) as hook:
            for _ in range(5):
                await hook.create_event("boom", "error")

    asyncio.run(run())
    assert (server.connections, len(server.requests)) == (2, 10)


def test_an_idle_connection_that_was_closed_meanwhile_costs_no_event(wire, configure):
    def answer_and_hang_up(connection, server):
        accept(connection, server)
        return False

    server = wire(answer_and_hang_up)
    configure(base_url=server.url)
    hook = PagerdutyEventsHook(KEY)
    for _ in range(3):
        hook.create_event("boom", "error")
    assert len(server.requests) == 3


def test_what_is_sent_is_counted_in_bytes_as_it_is_sent(wire, events_hook):
    server = wire(accept)
    events_hook(server.url).create_event("Störung 🔥", "error", custom_details={"text": "🔥" * 200_000})
    body = server.requests[0]["body"]
    assert "Störung 🔥".encode() in body
    assert 400_000 < len(body) <= 512_000
    assert server.requests[0]["headers"]["content-type"] == "application/json"
