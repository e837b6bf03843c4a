from __future__ import annotations

import copy
import errno
import inspect
import os
import pkgutil
import re
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest

import semcache
from semcache import errors
from semcache.errors import (
    BuildLockedError,
    BundleCorruptError,
    BundleError,
    BundleFormatError,
    BundleNotFoundError,
    CacheClosedError,
    CacheForkedError,
    CorpusError,
    MissingExtraError,
    RecallError,
    SemcacheError,
    StorageError,
)

TREE = {
    "SemcacheError": "Exception",
    "ConfigError": "SemcacheError",
    "MissingExtraError": "SemcacheError",
    "CorpusError": "SemcacheError",
    "BuildError": "SemcacheError",
    "BuildLockedError": "BuildError",
    "RecallError": "BuildError",
    "GateError": "BuildError",
    "StorageError": "SemcacheError",
    "BundleError": "SemcacheError",
    "BundleNotFoundError": "BundleError",
    "BundleFormatError": "BundleError",
    "BundleCorruptError": "BundleError",
    "BundleExpiredError": "BundleError",
    "EncoderError": "SemcacheError",
    "EncoderMismatchError": "EncoderError",
    "LlmError": "SemcacheError",
    "KeyFileError": "SemcacheError",
    "RemoteError": "SemcacheError",
    "RemoteUnavailableError": "RemoteError",
    "ObjectMissingError": "RemoteError",
    "ObjectExistsError": "RemoteError",
    "ObjectTooLargeError": "RemoteError",
    "ChunkError": "RemoteError",
    "ReleaseError": "RemoteError",
    "ReleaseFormatError": "ReleaseError",
    "ReleaseNameError": "ReleaseError",
    "ReleaseEncoderError": "ReleaseError",
    "NotPublishedError": "RemoteError",
    "PublishConflictError": "RemoteError",
    "TrustError": "RemoteError",
    "SignatureError": "TrustError",
    "ChangedMetadataError": "TrustError",
    "RollbackError": "TrustError",
    "MixedVersionsError": "TrustError",
    "ExpiredError": "TrustError",
    "ClockError": "TrustError",
    "UnsignedRemoteError": "TrustError",
    "CacheUnusableError": "SemcacheError",
    "CacheClosedError": "CacheUnusableError",
    "CacheForkedError": "CacheUnusableError",
}


def drawn_tree(docstring: str) -> dict[str, str]:
    """Give the parent of each error as the module's docstring draws it."""
    parents: dict[str, str] = {}
    path: list[tuple[int, str]] = []
    for line in docstring.splitlines():
        match = re.match(r"^(?P<indent>[ |`-]*)(?P<name>\w+Error)\b", line)
        if match and line.startswith("    "):
            depth = len(match["indent"])
            while path and path[-1][0] >= depth:
                path.pop()
            parents[match["name"]] = path[-1][1] if path else "Exception"
            path.append((depth, match["name"]))
    return parents


def subclasses(root: type[BaseException]) -> dict[str, type[BaseException]]:
    """Give every error under a root, with its name."""
    found = {root.__name__: root}
    for child in root.__subclasses__():
        found |= subclasses(child)
    return found


def test_the_tree_stands_as_the_docstring_draws_it() -> None:
    """What is documented is what is raised."""
    assert drawn_tree(errors.__doc__ or "") == TREE


def test_the_classes_form_that_tree() -> None:
    """Each error has the parent it is drawn under."""
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, BaseException)]
    assert {c.__name__: c.__bases__[0].__name__ for c in classes} == TREE


def test_no_error_stands_outside_that_file() -> None:
    """Every module of the package was looked through."""
    for module in pkgutil.walk_packages(semcache.__path__, "semcache."):
        if not module.name.endswith("__main__"):
            import_module(module.name)
    here = {name for name, c in subclasses(SemcacheError).items() if c.__module__.startswith("semcache")}
    assert here == set(TREE)


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("ConfigError", ValueError),
        ("MissingExtraError", ImportError),
        ("CacheUnusableError", RuntimeError),
        ("CacheClosedError", RuntimeError),
    ],
)
def test_an_error_is_also_what_python_calls_it(name: str, builtin: type[Exception]) -> None:
    """Code that does not know semcache can catch it."""
    assert issubclass(getattr(errors, name), builtin)


@pytest.mark.parametrize("name", sorted(TREE))
def test_every_error_says_when_it_is_raised(name: str) -> None:
    """In its own docstring."""
    assert vars(getattr(errors, name))["__doc__"]


def test_a_missing_extra_holds_the_pip_line() -> None:
    """As a field, and in the text."""
    error = MissingExtraError("exporting a model", extra="build")
    assert error.pip_line == 'pip install "semcache[build]"'
    assert str(error) == (
        "exporting a model needs an extra that is not installed; install it with: " + 'pip install "semcache[build]"'
    )


def test_corpus_problems_are_one_line_each() -> None:
    """All of them, in order."""
    error = CorpusError(["a:1: x", "a:2: y"])
    assert (error.problems, error.n_problems, str(error)) == (["a:1: x", "a:2: y"], 2, "a:1: x\na:2: y")


def test_corpus_problems_that_were_not_kept_are_counted() -> None:
    """The reader is told that there are more."""
    error = CorpusError(["a:1: x"], n_problems=5)
    assert (error.n_problems, str(error)) == (5, "a:1: x\n... and 4 more")


def test_a_locked_build_names_the_lock() -> None:
    """And says to wait."""
    error = BuildLockedError(Path("indexes/demo/build.lock"))
    assert error.path == Path("indexes/demo/build.lock")
    assert (
        str(error)
        == "indexes/demo/build.lock: a build, pull, rollback or gc of this name is running; wait for it to end"
    )


def test_a_recall_that_is_too_low_says_found_asked_and_what_to_do() -> None:
    """With the flags that change it."""
    error = RecallError(at_1=0.5, at_10=0.25, min_at_1=0.99, min_at_10=0.98)
    assert (error.at_1, error.at_10, error.min_at_1, error.min_at_10) == (0.5, 0.25, 0.99, 0.98)
    assert str(error) == (
        "index recall@1 0.5000 and recall@10 0.2500, asked for at least 0.99 and 0.98; build with --index flat "
        "(exact), or lower --min-recall-at-1 / --min-recall-at-10"
    )


@pytest.mark.parametrize(
    ("number", "next_step"),
    [
        (errno.ENOSPC, "free some space and run the command again; the live version is untouched"),
        (errno.EDQUOT, "the disk quota is used up; the live version is untouched"),
        (errno.EACCES, "check the owner and the permissions of this folder"),
        (errno.EPERM, "check the owner and the permissions of this folder"),
        (errno.EROFS, "this file system is read-only; choose another --root"),
    ],
)
def test_a_refusal_that_a_person_can_mend_says_how(number: int, next_step: str) -> None:
    """Path, the system's reason, the next step; the number stays as a field."""
    error = StorageError.from_os_error("some/file", OSError(number, os.strerror(number)))
    assert (error.path, error.errno) == (Path("some/file"), number)
    assert str(error) == f"some/file: {os.strerror(number)}; {next_step}"


def test_another_refusal_says_what_the_system_says() -> None:
    """Path and reason."""
    error = StorageError.from_os_error(Path("some/file"), OSError(errno.EIO, os.strerror(errno.EIO)))
    assert (error.errno, str(error)) == (errno.EIO, f"some/file: {os.strerror(errno.EIO)}")


def test_a_refusal_without_a_number_keeps_its_text() -> None:
    """Libraries raise OSErrors of their own."""
    error = StorageError.from_os_error("some/file", OSError("cannot seek"))
    assert (error.errno, str(error)) == (None, "some/file: cannot seek")


@pytest.mark.parametrize("kind", [BundleError, BundleNotFoundError, BundleFormatError, BundleCorruptError])
def test_a_bundle_error_names_the_file(kind: type[BundleError]) -> None:
    """As a field, and first in the text."""
    error = kind("indexes/demo/CURRENT", "holds nothing; build again")
    assert (error.path, error.reason) == (Path("indexes/demo/CURRENT"), "holds nothing; build again")
    assert str(error) == "indexes/demo/CURRENT: holds nothing; build again"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            errors.ObjectMissingError("s3://b/a"),
            "s3://b/a: there is no such object; check the remote's address, and that it was published to",
        ),
        (
            errors.ObjectExistsError("s3://b/a"),
            "s3://b/a: is there already, though it should be new; somebody else wrote it, look and try again",
        ),
        (
            errors.ObjectTooLargeError("s3://b/a", limit_bytes=10),
            "s3://b/a: is larger than the 10 bytes that are allowed; check the remote's address",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_object_that_is_not_as_asked_for_says_where_and_what_next(error: errors.RemoteError, text: str) -> None:
    """The address is a field, and first in the text."""
    assert (error.url, str(error)) == ("s3://b/a", text)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (CacheClosedError(), "this cache is closed; open it again with Cache.open(...)"),
        (
            CacheForkedError(),
            "this cache was opened before fork(); open it in the child process with Cache.open(...)",
        ),
    ],
)
def test_a_cache_that_cannot_be_asked_says_how_to_get_one_that_can(error: SemcacheError, text: str) -> None:
    """The next step is in the message."""
    assert str(error) == text


@pytest.mark.parametrize(
    "error",
    [
        errors.BundleCorruptError(Path("a/b"), "is empty"),
        errors.RecallError(at_1=0.5, at_10=0.25, min_at_1=0.99, min_at_10=0.98),
        errors.MissingExtraError("a model", extra="minilm"),
        errors.CorpusError(["a:1: id: missing"], n_problems=3),
        errors.BuildLockedError(Path("x/build.lock")),
        errors.RemoteUnavailableError("https://host/a", "no answer", may_pass=True),
        errors.ObjectTooLargeError("https://host/a", limit_bytes=10),
        errors.CacheForkedError(),
        errors.ObjectTooLargeError("s3://b/a", limit_bytes=10),
        errors.NotPublishedError("s3://b", "x/release.json", offered=["a/release.json"]),
        errors.ExpiredError(
            "s3://b", role="timestamp", expired=datetime(2026, 1, 2, tzinfo=UTC), now=datetime(2026, 1, 3, tzinfo=UTC)
        ),
        errors.ClockError("s3://b", signed=datetime(2026, 1, 3, tzinfo=UTC), now=datetime(2026, 1, 2, tzinfo=UTC)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_survives_the_way_between_processes(error: errors.SemcacheError) -> None:
    """A pool of processes hands it over with its text and its fields."""
    again = copy.copy(error)  # by the same protocol as a pool does
    assert (type(again), str(again), again.__dict__) == (type(error), str(error), error.__dict__)
