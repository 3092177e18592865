"""Asking an endpoint on the loopback that answers well, badly, late, without end or not at all."""

from __future__ import annotations

import email.utils
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from loc import remote
from loc.errors import ChildError, LocError, MissingError, UsageError
from loc.remote import MOST_GIVEN_UP, SLOW_ATTEMPTS, Patience, Remote, TurnedDown, doubled, retry_after
from tests.endpoint import Answered, Asked, Endpoint, serving

KEY = "LOC_TEST_KEY"
PATIENCE = Patience(attempts=4, first_pause_s=2.0, longest_pause_s=60.0, answer_s=30.0, most_bytes=1000)
WELL = Answered(b'"well"')

Open = Callable[..., Remote]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as found:
        found.always = lambda _: WELL
        yield found


@pytest.fixture
def opened(endpoint: Endpoint, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    monkeypatch.delenv(KEY, raising=False)
    made: list[Remote] = []

    def make(url: str | None = None, **changes: Any) -> Remote:
        patience = replace(PATIENCE, **changes)
        made.append(Remote("endpoint", url or endpoint.url, "talker", KEY, "--url", patience))
        return made[-1]

    yield make
    for one in made:
        one.close()


def read(data: bytes) -> str | None:
    try:
        said = json.loads(data)
    except ValueError:
        return None
    return said if isinstance(said, str) else None


def ask(one: Remote) -> str:
    return one.ask("/x", {"messages": [], "number": 1}, read)


def failure(one: Remote) -> LocError:
    with pytest.raises(LocError) as caught:
        ask(one)
    return caught.value


def test_what_was_asked_is_sent_once_and_the_answer_read(endpoint: Endpoint, opened: Open) -> None:
    assert ask(opened()) == "well"
    [asked] = endpoint.asked
    assert asked.body == {"messages": [], "number": 1}
    assert "Authorization" not in asked.headers


def test_the_key_goes_to_the_endpoint_and_nowhere_else(
    endpoint: Endpoint, opened: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(KEY, "sk-secret")
    one = opened()
    with caplog.at_level("DEBUG"):
        ask(one)
        endpoint.says(Answered(b"sk-secret?", 401))
        failed = failure(one)
    assert endpoint.asked[0].headers["Authorization"] == "Bearer sk-secret"
    assert f"does not accept the key in {KEY}" in failed.what
    for place in (str(failed), repr(failed), str(vars(one)), caplog.text):
        assert "sk-secret" not in place


@pytest.mark.parametrize("key", ["sk-sécret", "sk-secret\n"])
def test_a_key_that_no_header_carries_is_named_and_not_shown(
    endpoint: Endpoint, opened: Open, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv(KEY, key)
    one = opened()
    failed = failure(one)
    assert isinstance(failed, UsageError)
    assert f"The key in {KEY} cannot be sent" in failed.what
    assert failure(one) is failed
    assert "cret" not in str(failed)
    assert endpoint.asked == []


@pytest.mark.parametrize(
    ("variable", "said", "kind"),
    [
        ("ALL_PROXY", "socks5://me:hidden@proxy.example:1080", MissingError),
        ("https_proxy", "ftp://me:hidden@proxy.example", UsageError),
        ("HTTP_PROXY", "proxy.example:hidden", UsageError),
        ("SSL_CERT_FILE", "/hidden/none.pem", UsageError),
        ("SSL_CERT_FILE", __file__, UsageError),
    ],
)
def test_what_the_environment_says_of_the_network_wrongly_is_named(
    opened: Open, monkeypatch: pytest.MonkeyPatch, variable: str, said: str, kind: type[LocError]
) -> None:
    for name in (*remote.PROXIES, *remote.CERTIFICATES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    if kind is MissingError:
        # Whether or not the package is on this machine.
        monkeypatch.setitem(sys.modules, "socksio", None)
    monkeypatch.setenv("no_proxy", "localhost")
    monkeypatch.setenv(variable, said)
    failed = failure(opened())
    assert type(failed) is kind
    assert f" in {variable} " in f"{failed.what.rstrip('.')} "
    assert failed.fix
    assert "hidden" not in str(failed)


def test_a_redirect_is_not_followed_with_the_key(endpoint: Endpoint, opened: Open) -> None:
    endpoint.says(Answered(b"", 307, {"Location": "http://127.0.0.1:9/steal"}))
    failed = failure(opened())
    assert isinstance(failed, MissingError)
    assert "307" in failed.why
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize("status", sorted(remote.PASSING))
def test_what_passes_is_asked_again(
    endpoint: Endpoint, opened: Open, pauses: list[float], status: int
) -> None:
    endpoint.says(Answered(b"", status))
    assert ask(opened()) == "well"
    assert pauses == [2.0]


def test_limits_are_waited_for_as_asked(endpoint: Endpoint, opened: Open, pauses: list[float]) -> None:
    soon = email.utils.formatdate(time.time() + 30, usegmt=True)
    endpoint.says(
        Answered(b"", 429, {"Retry-After": "7"}),
        Answered(b"", 429, {"Retry-After": soon}),
        Answered(b"", 503, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}),
    )
    assert ask(opened()) == "well"
    assert pauses[0] == 7.0
    assert 20 < pauses[1] <= 30
    assert pauses[2] == 8.0


def test_an_endpoint_that_wants_hours_is_not_waited_for(
    endpoint: Endpoint, opened: Open, pauses: list[float]
) -> None:
    endpoint.says(Answered(b"", 429, {"Retry-After": "3600"}))
    one = opened()
    assert "asks to wait for 3600 s" in failure(one).why
    assert failure(one) is failure(one)
    assert (pauses, len(endpoint.asked)) == ([], 1)


def test_a_request_is_given_up_and_the_next_is_tried(
    endpoint: Endpoint, opened: Open, pauses: list[float]
) -> None:
    endpoint.says(*[Answered(b"", 500)] * PATIENCE.attempts)
    one = opened()
    failed = failure(one)
    assert isinstance(failed, ChildError)
    assert "no answer in 4 attempts" in failed.what
    assert pauses == [2.0, 4.0, 8.0]
    assert ask(one) == "well"


def test_an_endpoint_that_gives_up_on_one_after_the_other_is_down(endpoint: Endpoint, opened: Open) -> None:
    endpoint.always = lambda _: Answered(b"", 500)
    one = opened()
    kinds = [type(failure(one)) for _ in range(MOST_GIVEN_UP + 2)]
    assert kinds == [ChildError] * MOST_GIVEN_UP + [MissingError] * 2
    assert len(endpoint.asked) == MOST_GIVEN_UP * PATIENCE.attempts


def test_one_that_is_too_slow_has_a_limit_of_its_own(endpoint: Endpoint, opened: Open) -> None:
    one = opened(most_slow=MOST_GIVEN_UP + 2)
    endless = Answered(b'"' + b"x" * 2000 + b'"')
    broken, slow = [Answered(b"", 500)] * PATIENCE.attempts, [endless] * SLOW_ATTEMPTS
    endpoint.says(*slow, *broken, *slow, *broken)
    assert all(isinstance(failure(one), ChildError) for _ in range(4))
    assert ask(one) == "well"
    endpoint.asked.clear()
    endpoint.always = lambda _: endless
    gone = [isinstance(failure(one), MissingError) for _ in range(MOST_GIVEN_UP + 4)]
    assert gone == [False] * (MOST_GIVEN_UP + 2) + [True] * 2
    assert len(endpoint.asked) == (MOST_GIVEN_UP + 2) * SLOW_ATTEMPTS


def test_it_is_down_only_where_no_request_between_was_answered(endpoint: Endpoint, opened: Open) -> None:
    one = opened()
    for _ in range(MOST_GIVEN_UP + 1):
        endpoint.says(*[Answered(b"", 500)] * PATIENCE.attempts)
        assert isinstance(failure(one), ChildError)
        assert ask(one) == "well"


def test_something_else_than_was_asked_for_is_no_answer(endpoint: Endpoint, opened: Open) -> None:
    page = b"<!DOCTYPE html><html><body>Busy</body></html>"
    endpoint.says(Answered(page), Answered(b"7"), Answered(b""))
    assert ask(opened()) == "well"
    endpoint.always = lambda _: Answered(page)
    assert "something else than was asked for" in failure(opened()).why


def test_an_answer_that_breaks_off_is_asked_for_again(endpoint: Endpoint, opened: Open) -> None:
    endpoint.says(Answered(b'"not well"', cut=True))
    assert ask(opened()) == "well"
    assert len(endpoint.asked) == 2


def test_an_answer_without_end_is_cut_off(endpoint: Endpoint, opened: Open) -> None:
    endpoint.always = lambda _: Answered(b'"' + b"x" * 2000 + b'"')
    failed = failure(opened(attempts=1))
    assert (type(failed), failed.why) == (ChildError, "Its answer does not end.")


def test_a_slow_request_is_given_up_and_the_next_is_tried(endpoint: Endpoint, opened: Open) -> None:
    awake = threading.Event()

    def slow(_: Asked) -> Answered:
        awake.wait()
        return WELL

    endpoint.says(*[slow] * SLOW_ATTEMPTS)
    one = opened(answer_s=0.5)
    try:
        failed = failure(one)
        assert isinstance(failed, ChildError)
        assert failed.why == "ReadTimeout."
        assert len(endpoint.asked) == SLOW_ATTEMPTS
        assert ask(one) == "well"
    finally:
        awake.set()


def test_an_answer_that_breaks_off_each_time_is_the_failure_of_its_request(
    endpoint: Endpoint, opened: Open
) -> None:
    endpoint.says(*[Answered(b'"not well"', cut=True)] * PATIENCE.attempts)
    one = opened()
    assert isinstance(failure(one), ChildError)
    assert ask(one) == "well"


def test_requests_that_fail_together_count_as_one(endpoint: Endpoint, opened: Open) -> None:
    together = threading.Barrier(MOST_GIVEN_UP)

    def fail(_: Asked) -> Answered:
        together.wait()
        return Answered(b"", 500)

    endpoint.says(*[fail] * MOST_GIVEN_UP)
    one = opened(attempts=1)
    with ThreadPoolExecutor(MOST_GIVEN_UP) as threads:
        found = list(threads.map(lambda _: failure(one), range(MOST_GIVEN_UP)))
    assert {type(error) for error in found} == {ChildError}
    assert ask(one) == "well"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, f"there is none in {KEY}"),
        (403, KEY),
        (404, "does not know talker"),
        (402, "turns requests down"),
    ],
)
def test_what_will_not_pass_ends_it_at_once(endpoint: Endpoint, opened: Open, status: int, said: str) -> None:
    endpoint.says(Answered(b"", status))
    one = opened()
    for _ in range(2):
        failed = failure(one)
        assert isinstance(failed, MissingError)
        assert said in failed.what
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize("status", sorted(remote.OF_THE_REQUEST))
def test_one_request_that_is_turned_down_does_not_end_the_others(
    endpoint: Endpoint, opened: Open, status: int
) -> None:
    endpoint.says(Answered(b"", status))
    one = opened()
    failed = failure(one)
    assert isinstance(failed, TurnedDown)
    assert failed.status == status
    assert ask(one) == "well"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            b'{"error": {"message": "Unsupported value:\\n \'temperature\'."}}',
            "Unsupported value: 'temperature'",
        ),
        (b'{"error": "too long"}', "too long"),
        (b'{"detail": "no such field"}', "no such field"),
        (b'{"error": "not for sk-secret"}', "not for ..."),
        (b'{"error": {"code": 7}}', ""),
        (b"<html>", ""),
    ],
)
def test_its_own_reason_is_shown(
    endpoint: Endpoint, opened: Open, monkeypatch: pytest.MonkeyPatch, body: bytes, said: str
) -> None:
    monkeypatch.setenv(KEY, "sk-secret")
    endpoint.says(Answered(body, 400))
    assert failure(opened()).why == (f"It answered 400: {said.rstrip('.')}." if said else "It answered 400.")


@pytest.mark.parametrize("before", range(190, 201))
def test_no_part_of_the_key_stands_in_a_long_reason(
    endpoint: Endpoint, opened: Open, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    monkeypatch.setenv(KEY, "sk-secret")
    said = "x" * before + "sk-secret" + "y" * 200
    endpoint.says(Answered(json.dumps({"error": said}).encode(), 400))
    failed = failure(opened())
    assert isinstance(failed, TurnedDown)
    assert failed.why.rstrip(".") == f"It answered 400: {failed.said[: remote.MOST_REASON]}".rstrip(".")
    assert failed.said == "x" * before + "..." + "y" * 200


def test_a_reason_that_nobody_can_read_is_none() -> None:
    assert remote.reason(b"[" * 20_000) == ""


def test_nobody_at_home_ends_it_at_once(opened: Open) -> None:
    one = opened("http://127.0.0.1:9/v1")
    failed = failure(one)
    assert (type(failed), failed.why) == (MissingError, "ConnectError.")
    assert failure(one) is failed


def test_an_address_that_is_none_is_told(opened: Open) -> None:
    assert isinstance(failure(opened("http://[")), MissingError)


def test_pauses_double_to_a_limit() -> None:
    assert [doubled(attempt, 2.0, 10.0) for attempt in range(4)] == [2.0, 4.0, 8.0, 10.0]


@pytest.mark.parametrize("value", ["", "soon", "nan", "inf", "-inf", "1e999", "Thu, 99 Foo 2026"])
def test_a_pause_that_says_nothing(value: str) -> None:
    assert not retry_after(value)
