from __future__ import annotations

import inspect
from enum import Enum
from types import ModuleType
from typing import Any

import pytest

import semcache

EXPORTS = [
    "BuildConfig",
    "BuildReport",
    "BundleInfo",
    "Cache",
    "Evaluation",
    "Explanation",
    "Hit",
    "Kind",
    "LabelledQuery",
    "Miss",
    "Neighbour",
    "OpenConfig",
    "Reason",
    "RecordConfig",
    "Result",
    "SemcacheError",
    "__version__",
    "build_bundle",
    "check_bundle",
    "evaluate",
    "read_queries",
]
CACHE_METHODS = ["assess", "close", "embed", "explain", "info", "lookup", "lookup_many", "open", "refresh", "search"]


def export_problems(module: Any, expected: list[str]) -> list[str]:
    """Return every difference between what a module exports and a list of names."""
    problems = [f"{name}: not in __all__" for name in expected if name not in module.__all__]
    problems += [f"{name}: in __all__, not expected" for name in module.__all__ if name not in expected]
    if len(set(module.__all__)) != len(module.__all__):
        problems.append("__all__: a name twice")
    if dir(module) != sorted(expected):
        problems.append(f"dir(): {dir(module)}")
    problems += [f"{name}: cannot be taken" for name in expected if getattr(module, name, None) is None]
    return problems


def undocumented(names: dict[str, Any]) -> list[str]:
    """Return the public names without a docstring of their own, methods and properties included."""
    found = []
    for name, value in names.items():
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        if not inspect.getdoc(value) or (inspect.isclass(value) and not vars(value).get("__doc__")):
            found.append(name)
        if inspect.isclass(value) and not issubclass(value, Enum):
            members = {key: member for key, member in vars(value).items() if key[0] != "_"}
            found += [
                f"{name}.{key}"
                for key, member in members.items()
                if isinstance(member, property | classmethod | staticmethod) or inspect.isfunction(member)
                if not inspect.getdoc(member)
            ]
    return found


class MadeUp(ModuleType):
    """A module with an export list."""

    def __init__(self, names: list[str], listed: list[str]) -> None:
        super().__init__("made_up")
        self.__all__ = names
        self._listed = listed
        for name in names:
            setattr(self, name, name)

    def __dir__(self) -> list[str]:
        return self._listed


def test_the_public_names_are_exactly_these() -> None:
    """A name is added or taken away on purpose, here and in the changelog."""
    assert export_problems(semcache, EXPORTS) == []


@pytest.mark.parametrize("name", EXPORTS)
def test_every_public_name_can_be_imported(name: str) -> None:
    """By `from semcache import name`."""
    namespace: dict[str, object] = {}
    exec(f"from semcache import {name}", namespace)  # noqa: S102 - the statement is the promise
    assert namespace[name] is getattr(semcache, name)


def test_star_brings_the_public_names() -> None:
    """And no other."""
    namespace: dict[str, object] = {}
    exec("from semcache import *", namespace)  # noqa: S102 - the statement is the promise
    assert sorted(namespace.keys() - {"__builtins__"}) == sorted(EXPORTS)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """As of any module."""
    with pytest.raises(AttributeError, match=r"^module 'semcache' has no attribute 'cache'$"):
        getattr(semcache, "cache")  # noqa: B009 - mypy knows that it is not there


def test_every_public_name_is_documented() -> None:
    """With its methods and properties."""
    assert undocumented({name: getattr(semcache, name) for name in EXPORTS}) == []


def test_the_methods_of_a_cache_are_exactly_these() -> None:
    """The class that programs hold."""
    assert sorted(name for name in vars(semcache.Cache) if not name.startswith("_")) == CACHE_METHODS


@pytest.mark.parametrize(
    ("names", "listed", "problem"),
    [
        (["a", "b"], ["a"], "b: in __all__, not expected"),
        ([], ["a"], "a: not in __all__"),
        (["a", "a"], ["a"], "__all__: a name twice"),
        (["a"], ["a", "b"], "dir(): ['a', 'b']"),
    ],
)
def test_a_difference_is_found(names: list[str], listed: list[str], problem: str) -> None:
    """A name too many, too few, twice, or shown without being exported."""
    assert problem in export_problems(MadeUp(names, listed), ["a"])


def test_a_list_that_agrees_has_no_problem() -> None:
    """The check itself is sound."""
    assert export_problems(MadeUp(["a"], ["a"]), ["a"]) == []


def test_a_missing_docstring_is_found() -> None:
    """Of a class, a method, a function; a base's docstring does not count."""

    class Base:
        """Has one."""

    class Bare(Base):
        def method(self) -> None: ...

        @property
        def value(self) -> int:
            return 1

    def function() -> None: ...

    assert undocumented({"Bare": Bare, "function": function}) == ["Bare", "Bare.method", "Bare.value", "function"]
