from __future__ import annotations

import errno
import os
from types import SimpleNamespace

import aiohttp
import botocore.exceptions
import pytest

from semcache.config import RemoteConfig
from semcache.errors import ObjectExistsError, ObjectMissingError, RemoteError, RemoteUnavailableError
from semcache.store.object_failures import failure_of, is_refused_condition, is_unknown_operation, status_of

URL = "s3://bucket/a"


class HttpError(Exception):
    """As Google's library raises: with a code, which may be text."""

    def __init__(self, code: int | str) -> None:
        self.code = code
        super().__init__(f"code {code}")


class HubError(OSError):
    """As the Hugging Face library raises: with a response."""

    def __init__(self, status: int) -> None:
        self.response = SimpleNamespace(status_code=status)
        super().__init__(f"status {status}")


def translated(error: Exception) -> RemoteError | None:
    """Translate an error."""
    return failure_of(error, URL, config=RemoteConfig())


def of_s3(code: str, number: int) -> OSError:
    """Give an error as s3fs raises it: an OSError that holds the error of the service."""
    error = OSError(number, code)
    error.__cause__ = botocore.exceptions.ClientError({"Error": {"Code": code, "Message": code}}, "PutObject")
    return error


@pytest.mark.parametrize("error", [FileNotFoundError("a"), HttpError(404), HttpError("404"), HubError(404)])
def test_what_is_not_there_is_missing(error: Exception) -> None:
    """Whatever the library calls it."""
    assert isinstance(translated(error), ObjectMissingError)


def test_what_is_there_exists() -> None:
    """As every library calls it."""
    assert isinstance(translated(FileExistsError("a")), ObjectExistsError)


@pytest.mark.parametrize(
    "error",
    [
        *(HttpError(500), HttpError("503"), HubError(429), HttpError(408)),
        *(TimeoutError(), ConnectionResetError(), OSError(errno.EIO, "io"), OSError("no number")),
        *(aiohttp.ServerDisconnectedError(), aiohttp.ClientPayloadError(), aiohttp.ServerTimeoutError()),
        botocore.exceptions.EndpointConnectionError(endpoint_url="http://a"),
        botocore.exceptions.ReadTimeoutError(endpoint_url="http://a"),
        botocore.exceptions.ConnectTimeoutError(endpoint_url="http://a"),
        botocore.exceptions.ResponseStreamingError(error="cut"),
        of_s3("SlowDown", errno.EBUSY),
        of_s3("InternalError", errno.EREMOTEIO),
    ],
    ids=repr,
)
def test_what_may_pass_is_worth_another_attempt(error: Exception) -> None:
    """Timeouts, broken connections, errors of the server."""
    failure = translated(error)
    assert isinstance(failure, RemoteUnavailableError)
    assert failure.may_pass
    assert str(failure).endswith("; try again later")


@pytest.mark.parametrize(
    "error",
    [
        *(HttpError(400), HubError(403), HttpError(401), PermissionError("a"), NotImplementedError()),
        *(OSError(errno.EINVAL, "a"), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))),
        botocore.exceptions.NoCredentialsError(),
        aiohttp.InvalidURL("http://"),
    ],
    ids=repr,
)
def test_what_will_not_pass_is_said_at_once(error: Exception) -> None:
    """Permissions, addresses, full disks."""
    failure = translated(error)
    assert isinstance(failure, RemoteUnavailableError)
    assert not failure.may_pass


@pytest.mark.parametrize("error", [TypeError("a"), ValueError("a"), KeyError("a"), AttributeError("a")])
def test_a_mistake_in_a_program_stays_what_it_is(error: Exception) -> None:
    """It keeps its traceback."""
    assert translated(error) is None


def test_a_refusal_names_the_object_and_the_next_step() -> None:
    """What a person reads."""
    assert str(translated(PermissionError("Forbidden"))) == (
        "s3://bucket/a: no permission; check the credentials of this remote, and that they may do this"
    )


def test_a_condition_that_was_not_met_is_told_from_one_that_is_not_known() -> None:
    """The object is there; or this store cannot write on a condition."""
    met, unknown = of_s3("PreconditionFailed", errno.EINVAL), of_s3("NotImplemented", errno.ENOSYS)
    assert (is_refused_condition(met), is_unknown_operation(met)) == (True, False)
    assert (is_refused_condition(unknown), is_unknown_operation(unknown)) == (False, True)
    assert is_refused_condition(HttpError(412))
    assert not is_refused_condition(OSError(errno.EINVAL, "a"))


@pytest.mark.parametrize(("error", "status"), [(HttpError("abc"), None), (ValueError(), None), (HubError(418), 418)])
def test_a_status_is_taken_from_where_a_library_keeps_it(error: Exception, status: int | None) -> None:
    """And from nowhere else."""
    assert status_of(error) == status
