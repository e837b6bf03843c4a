from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from llm_stub import MODEL, TOKENS_IN, TOKENS_OUT, Answer, Behaviour, Stub, completion, llm_stub

from semcache.build.llm_http import ChatAnswer, ChatClient
from semcache.config import LlmConfig
from semcache.errors import LlmError

KEY = "sk-very-secret"
MESSAGES = [{"role": "system", "content": "s"}, {"role": "user", "content": '{"n": 1, "questions": {}}'}]
RIGHT = ChatAnswer("{}", TOKENS_IN, TOKENS_OUT)


def config_of(stub: Stub, **values: Any) -> LlmConfig:
    """Give a config for a server."""
    return replace(LlmConfig(stub.base_url, MODEL, api_key=KEY, n_retries=2, timeout_s=5.0), **values)


def in_turn(*answers: Answer | None) -> Behaviour:
    """Give one answer after another; None is a right one, as is all that comes after the last."""
    left: Iterator[Answer | None] = iter(answers)
    return lambda _stub, _request: next(left, None)


def asked(behave: Behaviour, **values: Any) -> tuple[ChatAnswer, list[float], Stub]:
    """Ask once; give the answer, the waits, and the server."""
    waits: list[float] = []
    with llm_stub(behave) as stub:
        client = ChatClient(config_of(stub, **values), sleep=waits.append)
        try:
            return client.ask(MESSAGES), waits, stub
        finally:
            client.close()


def test_an_answer_is_its_text_and_its_tokens() -> None:
    """The key goes into the header."""
    answer, waits, stub = asked(in_turn())
    assert (answer, waits, stub.authorizations) == (RIGHT, [], {f"Bearer {KEY}"})


def test_without_a_key_none_is_sent() -> None:
    """A local server wants none."""
    _, _, stub = asked(in_turn(), api_key="")
    assert stub.authorizations == {None}


@pytest.mark.parametrize(
    "answer",
    [
        (429, {}, b"slow down"),
        (500, {}, b""),
        (503, {}, b"<html>"),
        (408, {}, b""),
        (200, {}, b"not json"),
        (200, {}, b"[]"),
        (200, {}, b"{}"),
        (200, {}, b'{"choices": []}'),
        (200, {}, b'{"choices": [{"message": null}]}'),
        completion(None),
        completion([{"type": "text"}]),
    ],
)
def test_what_may_pass_is_asked_again(answer: Answer) -> None:
    """After a wait: too many requests, a server's error, garbage."""
    found, waits, stub = asked(in_turn(answer))
    assert (found, len(waits), stub.n_requests) == (RIGHT, 1, 2)


def test_waits_grow_and_are_spread() -> None:
    """Between half and all of a doubling time."""
    bad: Answer = (500, {}, b"")
    _, waits, _ = asked(in_turn(*[bad] * 6), n_retries=6)
    assert [0.5 * 2**i * 0.5 <= wait <= 0.5 * 2**i for i, wait in enumerate(waits)] == [True] * 6


@pytest.mark.parametrize(("value", "wait"), [("7", 7.0), ("0", 0.0), ("9999", 60.0)])
def test_the_server_says_how_long_to_wait(value: str, wait: float) -> None:
    """In seconds, up to a minute."""
    _, waits, _ = asked(in_turn((429, {"Retry-After": value}, b"")))
    assert waits == [wait]


def test_the_server_says_when_to_come_back() -> None:
    """As an HTTP date."""
    moment = datetime.now(UTC) + timedelta(seconds=30)
    _, waits, _ = asked(in_turn((503, {"Retry-After": format_datetime(moment, usegmt=True)}, b"")))
    assert waits == [pytest.approx(29.5, abs=2)]


@pytest.mark.parametrize("value", ["soon", "", "nan", "-3"])
def test_a_wait_that_says_nothing_is_not_heeded(value: str) -> None:
    """The usual wait is taken."""
    _, waits, _ = asked(in_turn((429, {"Retry-After": value}, b"")))
    assert [0.25 <= wait <= 0.5 for wait in waits] == [True]


def test_in_the_end_it_gives_up() -> None:
    """The error says where, what, and what to do."""
    with pytest.raises(LlmError, match=r"^http://127\.0\.0\.1:\d+/v1: HTTP 500; .*run the command again to go on$"):
        asked(lambda _stub, _request: (500, {}, b""))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 301])
def test_a_refusal_is_not_asked_again(status: int) -> None:
    """And what the server says of it is told, but for the key."""
    with llm_stub(in_turn((status, {}, f"bad key {KEY}".encode()))) as stub:
        client = ChatClient(config_of(stub))
        with pytest.raises(LlmError, match=rf": HTTP {status}: bad key \*\*\*$"):
            client.ask(MESSAGES)
        client.close()
    assert stub.n_requests == 1


def test_a_server_that_does_not_answer_is_given_up_in_time() -> None:
    """Each attempt has its time."""
    never = threading.Event()

    def hold(_stub: Stub, _request: dict[str, Any]) -> Answer | None:
        never.wait(0.5)
        return None

    with pytest.raises(LlmError, match=r"no answer within 0\.1 s"):
        asked(hold, timeout_s=0.1, n_retries=1)


def test_a_server_that_is_not_there_is_an_error() -> None:
    """In the words of the system, after every attempt."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://me:{KEY}@127.0.0.1:{free.getsockname()[1]}/v1"
    waits: list[float] = []
    client = ChatClient(LlmConfig(url, MODEL, n_retries=2), sleep=waits.append)
    with pytest.raises(LlmError, match=r"^http://127\.0\.0\.1:\d+/v1: ConnectError: ") as caught:
        client.ask(MESSAGES)
    client.close()
    assert len(waits) == 2
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("usage", [None, {}, "none", {"prompt_tokens": "many", "completion_tokens": -1}, [1]])
def test_a_server_that_does_not_count_costs_nothing_known(usage: object) -> None:
    """The text is taken all the same, or asked for again."""
    found, _, _ = asked(in_turn(completion("text", usage=usage)))
    assert found in {ChatAnswer("text", 0, 0), RIGHT}


def test_after_stop_nothing_is_sent() -> None:
    """And a wait between attempts ends."""
    with llm_stub(lambda _stub, _request: (500, {"Retry-After": "60"}, b"")) as stub:
        client = ChatClient(config_of(stub))
        threading.Timer(0.2, client.stop).start()
        with pytest.raises(LlmError, match="HTTP 500"):
            client.ask(MESSAGES)
        with pytest.raises(LlmError, match="stopped before it was asked"):
            client.ask(MESSAGES)
        client.close()
    assert stub.n_requests == 1


def test_the_request_names_the_model_and_the_messages() -> None:
    """And nothing that a server may not know."""
    requests: list[dict[str, Any]] = []

    def note(_stub: Stub, request: dict[str, Any]) -> Answer | None:
        requests.append(request)
        return None

    asked(note)
    assert requests == [{"model": MODEL, "messages": MESSAGES}]
    assert not re.search(KEY, json.dumps(requests))
