"""Reading a JSON object strictly: each field taken once, with its type and range, none left over."""

from __future__ import annotations

import json
from collections import Counter
from math import isfinite
from typing import Any


class FieldError(ValueError):
    """A field is missing, unknown, or outside what is allowed; the message names it."""


class Fields:
    """Takes fields out of a JSON object one by one, each with its type, and knows what is left."""

    def __init__(self, document: object, where: str) -> None:
        if not isinstance(document, dict):
            msg = f"{where}: found {type(document).__name__}, allowed an object"
            raise FieldError(msg)
        self._left, self._where = dict(document), where

    @classmethod
    def parse(cls, raw: bytes) -> Fields:
        """Read the bytes of one JSON object."""
        try:
            document = json.loads(raw)
        except RecursionError as error:
            msg = "not JSON: nested too deep"
            raise FieldError(msg) from error
        except UnicodeDecodeError as error:
            msg = f"not UTF-8: {error.reason} at byte {error.start}"
            raise FieldError(msg) from error
        except ValueError as error:  # also a number of more digits than Python turns into one
            msg = f"not JSON: {error}"
            raise FieldError(msg) from error
        return cls(document, "document")

    def _name(self, key: str) -> str:
        return f"{self._where}.{key}"

    def _take(self, key: str) -> Any:
        if key not in self._left:
            msg = f"{self._name(key)}: missing"
            raise FieldError(msg)
        return self._left.pop(key)

    def _wrong(self, key: str, value: object, allowed: str) -> FieldError:
        return FieldError(f"{self._name(key)}: found {str(value)[:60]!r}, allowed {allowed}")

    def names(self) -> list[str]:
        """Return the names that are left, sorted."""
        return sorted(self._left)

    def text(self, key: str) -> str:
        """Take a text."""
        value = self._take(key)
        if not isinstance(value, str):
            raise self._wrong(key, value, "text")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """Take a list of texts."""
        value = self._take(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self._wrong(key, value, "a list of texts")
        return tuple(value)

    def count(self, key: str) -> int:
        """Take a whole number of 0 or more."""
        value = self._take(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**62:
            raise self._wrong(key, value, "a whole number of 0 or more")
        return value

    def number(self, key: str) -> float:
        """Take a finite number."""
        value = self._take(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise self._wrong(key, value, "a number")
        return float(value)

    def share(self, key: str) -> float:
        """Take a number from 0 to 1."""
        value = self._take(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self._wrong(key, value, "a number from 0 to 1")
        return float(value)

    def share_or_none(self, key: str) -> float | None:
        """Take a number from 0 to 1, or null."""
        if key in self._left and self._left[key] is None:
            del self._left[key]
            return None
        return self.share(key)

    def flag(self, key: str) -> bool:
        """Take true or false."""
        value = self._take(key)
        if not isinstance(value, bool):
            raise self._wrong(key, value, "true or false")
        return value

    def hex(self, key: str, n_chars: int) -> str:
        """Take lower-case hex digits."""
        value = self._take(key)
        if not isinstance(value, str) or len(value) != n_chars or set(value) - set("0123456789abcdef"):
            raise self._wrong(key, value, f"{n_chars} lower-case hex digits")
        return value

    def one_of(self, key: str, *allowed: str) -> Any:
        """Take one of the texts allowed."""
        value = self._take(key)
        if value not in allowed:
            raise self._wrong(key, value, " or ".join(allowed))
        return value

    def fields(self, key: str) -> Fields:
        """Take an object."""
        return Fields(self._take(key), self._name(key))

    def list_of_fields(self, key: str) -> list[Fields]:
        """Take a list of objects."""
        value = self._take(key)
        if not isinstance(value, list):
            raise self._wrong(key, value, "a list")
        return [Fields(item, f"{self._name(key)}[{i}]") for i, item in enumerate(value)]

    def nothing_left(self) -> None:
        """Raise FieldError where a field was not taken."""
        if self._left:
            msg = f"{self._name(min(self._left))}: unknown field"
            raise FieldError(msg)


def repeated_keys(text: str) -> list[str]:
    """Return the keys that stand twice in one object of a JSON text that was parsed before: the last one would win."""
    found: list[str] = []

    def note(pairs: list[tuple[str, object]]) -> None:
        names = [name for name, _ in pairs]
        if len(set(names)) < len(names):
            found.extend(name for name, n in Counter(names).items() if n > 1)

    json.loads(text, object_pairs_hook=note)
    return found
