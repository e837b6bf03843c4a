"""Asks an OpenAI-compatible endpoint, again where that may help. The only file that knows httpx.

The key goes into one header and nowhere else: no message, no log, no file.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from semcache.config import LlmConfig
from semcache.errors import LlmError, MissingExtraError

if TYPE_CHECKING:
    import httpx

_FIRST_WAIT_S = 0.5
_MAX_WAIT_S = 60.0
_RETRIED = frozenset({408, 409, 425, 429})
_MAX_BODY_CHARS = 200


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """What a model answered.

    Attributes:
        content: its text.
        tokens_in, tokens_out: from `usage`; 0 where the endpoint does not say.
    """

    content: str
    tokens_in: int
    tokens_out: int


class ChatClient:
    """Asks one model. Safe to share between threads."""

    def __init__(self, config: LlmConfig, *, sleep: Callable[[float], object] | None = None, seed: int = 0) -> None:
        """Prepare the connection; nothing is sent.

        Args:
            config: endpoint, model, key, patience.
            sleep: waits between attempts; by default until `stop` is called.
            seed: of the spread of the waits.

        Raises:
            MissingExtraError: the llm extra is not installed.
        """
        try:
            import httpx  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise MissingExtraError("asking a language model", extra="llm") from error
        self.n_requests = self.n_retries = 0
        self._httpx, self._config = httpx, config
        self._url = f"{config.base_url.rstrip('/')}/chat/completions"
        self._stopping = threading.Event()
        self._sleep = sleep or self._stopping.wait
        self._spread = random.Random(seed)  # noqa: S311 - waits, not secrets
        self._lock = threading.Lock()
        headers = {"Authorization": f"Bearer {config.api_key}"} if config.api_key else {}
        self._client = httpx.Client(headers=headers, timeout=config.timeout_s, follow_redirects=False)

    def ask(self, messages: Sequence[dict[str, str]]) -> ChatAnswer:
        """Return the model's answer, after as many attempts as the config allows.

        Raises:
            LlmError: it was refused, or every attempt failed.
        """
        body = {"model": self._config.model, "messages": list(messages)}
        problem = "stopped before it was asked"
        for attempt in range(self._config.n_retries + 1):
            if self._stopping.is_set():
                break
            with self._lock:
                self.n_requests += 1
                self.n_retries += attempt > 0
            response, problem = self._post(body)
            if response is not None and (answer := _read(response)) is not None:
                return answer
            problem = problem or "the answer is not what an OpenAI-compatible endpoint sends"
            if attempt < self._config.n_retries:
                self._sleep(self._wait_s(attempt, response))
        raise self._error(f"{problem}; what was answered is kept, run the command again to go on")

    def stop(self) -> None:
        """Begin no further attempt, and end waits between attempts."""
        self._stopping.set()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _post(self, body: dict[str, Any]) -> tuple[httpx.Response | None, str]:
        """Send once; return the response, and what is wrong where another attempt may help.

        Raises:
            LlmError: no attempt can help.
        """
        try:
            response = self._client.post(self._url, json=body)
        except self._httpx.TimeoutException:
            return None, f"no answer within {self._config.timeout_s:g} s"
        except (self._httpx.HTTPError, self._httpx.InvalidURL) as error:
            return None, f"{type(error).__name__}: {error}"
        if response.is_success:
            return response, ""
        problem = f"HTTP {response.status_code}"
        if response.status_code in _RETRIED or response.is_server_error:
            return response, problem
        raise self._error(f"{problem}: {response.text[:_MAX_BODY_CHARS].strip() or response.reason_phrase}")

    def _wait_s(self, attempt: int, response: httpx.Response | None) -> float:
        asked = None if response is None else _retry_after_s(response.headers.get("retry-after", ""))
        if asked is not None:
            return min(asked, _MAX_WAIT_S)
        with self._lock:
            spread = self._spread.uniform(0.5, 1.0)
        return min(_FIRST_WAIT_S * 2.0**attempt, _MAX_WAIT_S) * spread

    def _error(self, problem: str) -> LlmError:
        key = self._config.api_key
        return LlmError(self._config.shown_url, problem.replace(key, "***") if key else problem)


def _read(response: httpx.Response) -> ChatAnswer | None:
    """Return what a response holds, or None where it is garbage."""
    try:
        document = response.json()
        content = document["choices"][0]["message"]["content"]
        usage = document.get("usage") or {}
        tokens = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    except (ValueError, LookupError, TypeError, AttributeError):
        return None
    if not isinstance(content, str):
        return None
    counts = [count if type(count) is int and count > 0 else 0 for count in tokens]
    return ChatAnswer(content, *counts)


def _retry_after_s(value: str) -> float | None:
    """Return the seconds that a Retry-After header asks for, or None."""
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)
