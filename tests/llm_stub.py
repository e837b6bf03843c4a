"""A server on loopback that speaks as much of the OpenAI protocol as is asked of it, and counts what it was asked."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKENS_IN, TOKENS_OUT = 100, 40
MODEL = "stub-1"

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""
Behaviour = Callable[["Stub", dict[str, Any]], Answer | None]
"""What the server does with a request; None: it answers as it should."""


class Stub(ThreadingHTTPServer):
    """The server; `asked` counts how often each question was answered properly."""

    daemon_threads = True

    def __init__(self, behave: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behave = behave
        self.lock = threading.Lock()
        self.asked = Counter[str]()
        self.n_requests = 0
        self.authorizations = set[str | None]()

    def handle_error(self, *_: Any) -> None:
        """Say nothing: a client that was killed does not wait for its answer."""

    @property
    def base_url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Stub
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.n_requests += 1
            self.server.authorizations.add(self.headers["Authorization"])
        found: Answer | None = (404, {}, b"no such path") if self.path != "/v1/chat/completions" else None
        status, headers, body = found or self.server.behave(self.server, request) or right_answer(self.server, request)
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def question_of(request: dict[str, Any]) -> dict[str, Any]:
    """Give what a request asks: {"n": ..., "questions": {...}}."""
    asked: dict[str, Any] = json.loads(request["messages"][1]["content"])
    return asked


def right_answer(stub: Stub, request: dict[str, Any], *, n: int | None = None) -> Answer:
    """Give as many paraphrases of each question as were asked for (or n), and count the questions."""
    asked = question_of(request)
    texts = {}
    for number, item in asked["questions"].items():
        with stub.lock:
            stub.asked[item["question"]] += 1
            serial = stub.asked[item["question"]]
        wanted = asked["n"] if n is None else n
        texts[number] = [f"{item['question']} {word}" for word in _words(serial, wanted)]
    return completion(json.dumps(texts))


def _words(serial: int, n: int) -> list[str]:
    names = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel", "india", "juliett"]
    return [f"{names[i % 10]} {names[(serial + i // 10) % 10]}" for i in range(n)]


def completion(content: object, *, usage: object = ...) -> Answer:
    """Give a body as an OpenAI-compatible server sends it."""
    usage = {"prompt_tokens": TOKENS_IN, "completion_tokens": TOKENS_OUT} if usage is ... else usage
    body = {"choices": [{"message": {"role": "assistant", "content": content}}], "usage": usage}
    return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()


def well(_: Stub, __: dict[str, Any]) -> Answer | None:
    """Behave."""
    return None


@contextmanager
def llm_stub(behave: Behaviour = well) -> Iterator[Stub]:
    """Run a server while the block runs."""
    with Stub(behave) as stub:
        thread = threading.Thread(target=stub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield stub
        finally:
            stub.shutdown()
            thread.join()
