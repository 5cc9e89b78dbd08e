"""What connections and the configuration say, where PagerDuty is then, and what is refused."""

import pytest
from airflow.providers.common.compat.sdk import BaseHook
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from airflow_provider_pagerduty import settings
from airflow_provider_pagerduty.hooks import connection
from airflow_provider_pagerduty.hooks.endpoint import REGIONS, is_loopback, of_base_url
from airflow_provider_pagerduty.hooks.pagerduty import PagerdutyHook
from airflow_provider_pagerduty.hooks.pagerduty_events import PagerdutyEventsHook

KEY = "0123456789abcdefghijklmnopqrstuv"


@pytest.fixture
def read(connect):
    """Return a function that makes a connection of some fields and reads it."""

    def read(**fields):
        connect("pd", **({"conn_type": "pagerduty", "password": "a-token"} | fields))
        return connection.read_settings(BaseHook.get_connection("pd"))

    return read


def redact(text):
    try:
        from airflow.sdk.log import redact
    except ImportError:
        from airflow.utils.log.secrets_masker import redact
    return redact(text)


class TestEndpoint:
    @pytest.mark.parametrize(("region", "expected"), [("us", "us"), ("eu", "eu"), (" EU ", "eu")])
    def test_a_region_is_taken(self, read, region, expected):
        assert read(extra={"region": region}).endpoint == REGIONS[expected]

    @pytest.mark.parametrize("region", ["", None, " "])
    def test_no_region_is_none(self, read, region):
        assert read(extra={"region": region}).endpoint is None

    @pytest.mark.parametrize("region", ["asia", "europe", 5, ["eu"]])
    def test_another_region_is_refused_by_name(self, read, region):
        with pytest.raises(
            ValueError, match="Connection 'pd': extra field 'region' must be one of: us, eu; got"
        ):
            read(extra={"region": region})

    @pytest.mark.parametrize(
        ("fields", "base"),
        [
            ({"host": "https://proxy.example.com"}, "https://proxy.example.com"),
            ({"host": "https://proxy.example.com/pagerduty/"}, "https://proxy.example.com/pagerduty"),
            ({"host": " proxy.example.com "}, "https://proxy.example.com"),
            ({"host": "proxy.example.com", "port": 8443}, "https://proxy.example.com:8443"),
            ({"host": "https://proxy.example.com:1", "port": 8443}, "https://proxy.example.com:1"),
            ({"host": "https://proxy.example.com/x", "port": 8443}, "https://proxy.example.com:8443/x"),
            ({"host": "localhost", "port": 8765, "schema": "http"}, "http://localhost:8765"),
            ({"host": "http://127.0.0.1:8765"}, "http://127.0.0.1:8765"),
            ({"host": "http://127.9.9.9"}, "http://127.9.9.9"),
            ({"host": "http://[::1]:8765"}, "http://[::1]:8765"),
            ({"host": "http://[0:0:0:0:0:0:0:1]:8765"}, "http://[0:0:0:0:0:0:0:1]:8765"),
            ({"host": "http://LOCALHOST:8765"}, "http://LOCALHOST:8765"),
        ],
    )
    def test_a_base_url_serves_rest_and_events_alike(self, read, fields, base):
        endpoint = read(**fields, extra={"region": "nowhere, and not looked at"}).endpoint
        assert (endpoint.rest, endpoint.events, endpoint.region) == (base, base, None)

    def test_a_base_url_survives_a_connection_uri(self, monkeypatch):
        monkeypatch.setenv("AIRFLOW_CONN_PD", f"pagerduty-events://:{KEY}@http%3A%2F%2Flocalhost:8765")
        settings = connection.read_settings(BaseHook.get_connection("pd"))
        assert settings.endpoint.events == "http://localhost:8765"
        assert settings.integration_key == KEY

    @pytest.mark.parametrize(
        "host",
        [
            "http://pagerduty.example.com",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://localhost.",
            "http://0.0.0.0",
            "http://10.0.0.1:8765",
            "http://127.1",
            "http://2130706433",
            "http://[::ffff:127.0.0.1]",
            "http://[::2]",
        ],
    )
    def test_plain_http_goes_nowhere_but_to_the_loopback(self, read, host):
        with pytest.raises(ValueError, match=r"Connection 'pd': host .* is plain http to another machine"):
            read(host=host)

    @pytest.mark.parametrize("host", ["https://user:hunter2@example.com", "http://hunter2@localhost:8765"])
    def test_user_info_is_refused_and_not_shown(self, read, host):
        with pytest.raises(ValueError, match="holds a user name or password") as caught:
            read(host=host)
        assert "hunter2" not in str(caught.value)

    @pytest.mark.parametrize(
        "host",
        [
            "https://a..b.example",
            "https://*",
            "https://a b",
            "nonsense url",
            "ftp://example.com",
            "https://",
            "https://example.com/?a=b",
            "https://a#b",
            "https://[",
            "https://a:b",
        ],
    )
    def test_what_is_no_base_url_is_refused(self, read, host):
        with pytest.raises(ValueError, match="Connection 'pd': host"):
            read(host=host)

    def test_what_stands_behind_a_question_mark_is_not_shown(self, read):
        with pytest.raises(ValueError, match="leave out") as caught:
            read(host="https://example.com/?token=hunter2")
        assert "hunter2" not in str(caught.value)

    @given(st.text(max_size=40))
    @hypothesis_settings(max_examples=300)
    def test_any_text_is_a_usable_base_url_or_a_value_error(self, text):
        try:
            endpoint = of_base_url(text, "the field")
        except ValueError:
            return
        assert endpoint.rest.startswith(("https://", "http://"))
        assert "@" not in endpoint.rest.partition("://")[2].partition("/")[0]

    def test_the_loopback_is_known_by_its_name_alone(self):
        assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.255.255.254", "::1"))
        assert not any(
            is_loopback(host) for host in ("example.com", "128.0.0.1", "::", "localhost.localdomain", "")
        )


class TestConfiguration:
    def test_nothing_set_is_the_us(self):
        assert connection.configured_endpoint() == REGIONS["us"]
        assert settings.send_timeout() == 10

    def test_a_region_or_a_base_url_holds_where_the_connection_says_nothing(
        self, configure, connect, requests_mock
    ):
        accepted = {"status_code": 202, "json": {"dedup_key": "k"}}
        eu = requests_mock.post("https://events.eu.pagerduty.com/v2/enqueue", **accepted)
        proxy = requests_mock.post("https://proxy.example.com/v2/enqueue", **accepted)
        us = requests_mock.post("https://events.pagerduty.com/v2/enqueue", **accepted)
        connect("pd", conn_type="pagerduty_events", password=KEY)
        connect("pd_us", conn_type="pagerduty_events", password=KEY, extra={"region": "us"})
        configure(region="eu")
        PagerdutyEventsHook(KEY).create_event("boom", "error")
        PagerdutyEventsHook(pagerduty_conn_id="pd").create_event("boom", "error")
        assert eu.call_count == 2
        configure(base_url="https://proxy.example.com")
        PagerdutyEventsHook(KEY).create_event("boom", "error")
        assert proxy.call_count == 1
        PagerdutyEventsHook(pagerduty_conn_id="pd_us").create_event("boom", "error")
        assert us.call_count == 1

    def test_a_wrong_setting_is_named(self, configure):
        configure(region="asia")
        with pytest.raises(ValueError, match=r"\[pagerduty\] region must be one of: us, eu; got 'asia'"):
            PagerdutyEventsHook(KEY).create_event("boom", "error")
        configure(base_url="http://example.com")
        with pytest.raises(ValueError, match=r"\[pagerduty\] base_url is plain http"):
            PagerdutyHook("a-token").get_session()

    @pytest.mark.parametrize(
        ("text", "seconds"), [("2.5", 2.5), ("", 10), ("soon", 10), ("-1", 10), ("nan", 10), ("inf", 10)]
    )
    def test_a_wrong_timeout_costs_nobody_a_page(self, configure, text, seconds, caplog):
        configure(send_timeout=text)
        assert settings.send_timeout() == seconds


class TestCredentials:
    def test_white_space_around_a_key_is_not_part_of_it(self, read):
        settings = read(password=f" {KEY}\n", extra={"routing_key": f"{KEY} "})
        assert (settings.secret, settings.routing_key) == (KEY, KEY)

    @pytest.mark.filterwarnings("ignore:Encountered JSON value in `extra`")
    def test_an_extra_that_is_no_dictionary_is_none(self, read):
        assert read(extra="[1]").routing_key is None

    @pytest.mark.parametrize("address", ["nobody", "a@b\nX-Header: 1", "a b@c"])
    def test_a_sender_that_is_no_address_is_refused(self, read, address):
        with pytest.raises(
            ValueError, match="extra field 'from_email' must be a PagerDuty user's e-mail address"
        ):
            read(extra={"from_email": address})

    def test_settings_show_no_credential(self, read):
        settings = read(password="a-secret-token", extra={"routing_key": KEY})
        assert KEY not in repr(settings)
        assert "a-secret-token" not in repr(settings)

    def test_a_key_with_white_space_around_it_is_masked_as_it_is_used(self, read):
        read(password="anothermaskedkey0000000000000000\n")
        assert redact("key=anothermaskedkey0000000000000000") == "key=***"

    def test_all_of_them_are_masked_in_logs_from_then_on(self, read):
        read(password="the-masked-token", extra={"routing_key": "themaskedroutingkey0000000000000"})
        PagerdutyEventsHook("themaskedexplicitkey000000000000")
        text = redact("the-masked-token themaskedroutingkey0000000000000 themaskedexplicitkey000000000000")
        assert text == "*** *** ***"
