"""What the errors of foreign file systems mean: missing, there already, may pass, or will not.

Their libraries are extras, so classes are known by name and by what they carry; none is imported.
"""

from __future__ import annotations

import errno
from typing import Any

from semcache.config import RemoteConfig
from semcache.errors import ObjectExistsError, ObjectMissingError, RemoteError, RemoteUnavailableError

_MISSING = frozenset({404, 410})
_REFUSED = frozenset({401, 403, 407})
_PASSING_STATUS = frozenset({408, 409, 425, 429})
_LASTING_NAMES = frozenset({"ClientConnectorCertificateError", "NonHttpUrlRedirectClientError", "InvalidURL"})
_PASSING_NAMES = frozenset(
    {
        *("ClientConnectionError", "ClientPayloadError"),  # aiohttp
        *("HTTPClientError", "ConnectionError", "ResponseStreamingError"),  # botocore
        *("TransportError", "Timeout"),  # httpx, requests, google.auth
    }
)
_LASTING_NUMBERS = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENAMETOOLONG, errno.ENOSPC, errno.EROFS, errno.EISDIR})
_REFUSAL = "no permission; check the credentials of this remote, and that they may do this"


def failure_of(error: Exception, url: str, *, config: RemoteConfig) -> RemoteError | None:
    """Return what an error means for an object, or None for a mistake in a program.

    Args:
        error: of a foreign library.
        url: of the object, as it may be shown.
        config: how long was waited.
    """
    status = status_of(error)
    if isinstance(error, FileNotFoundError | NotADirectoryError) or status in _MISSING:
        return ObjectMissingError(url)
    if isinstance(error, FileExistsError):
        return ObjectExistsError(url)
    # of Python's own kinds only these tell of the remote; a TypeError or KeyError is a mistake, ours or the library's
    if type(error).__module__ == "builtins" and not isinstance(error, OSError | NotImplementedError):
        return None
    reason, may_pass = _unavailable(error, status, config)
    return RemoteUnavailableError(url, reason, may_pass=may_pass)


def _unavailable(error: Exception, status: int | None, config: RemoteConfig) -> tuple[str, bool]:
    """Return why there is no object to be had, and whether that may pass."""
    if isinstance(error, PermissionError) or status in _REFUSED:
        return _REFUSAL, False
    if isinstance(error, TimeoutError):
        waited = f"{config.connect_timeout_s:g} s to connect, {config.stall_timeout_s:g} s without a byte"
        return f"no answer in time ({waited}); try again later", True
    if isinstance(error, NotImplementedError):
        return "this kind of remote cannot do that; use one that can be written and listed", False
    if status is not None and "HttpProcessingError" in {kind.__name__ for kind in type(error.__cause__).__mro__}:
        return "what answers does not speak HTTP as it should; check the remote's address", False
    names = {kind.__name__ for kind in type(error).__mro__}
    if "TooManyRedirects" in names:
        return "redirects that do not end; check the remote's address", False
    if status is not None:
        may_pass, reason = status in _PASSING_STATUS or status >= 500, f"HTTP {status}"
    else:
        is_system = isinstance(error, OSError) and error.errno not in _LASTING_NUMBERS
        may_pass = (is_system or bool(names & _PASSING_NAMES)) and not names & _LASTING_NAMES
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    return (
        f"{reason}; {'try again later' if may_pass else 'check the address and the options of this remote'}",
        may_pass,
    )


def status_of(error: BaseException | None) -> int | None:
    """Return the HTTP status that an error carries, as any of the libraries keeps it."""
    for holder, name in ((error, "status"), (error, "code"), (getattr(error, "response", None), "status_code")):
        value = getattr(holder, name, None)
        if isinstance(value, int | str) and str(value).isdecimal():
            return int(value)
    return None


def is_refused_condition(error: BaseException | None) -> bool:
    """Return whether a store refused to write because the object is there."""
    return _code(error) in {"PreconditionFailed", "412"} or status_of(error) == 412


def is_unknown_operation(error: BaseException | None) -> bool:
    """Return whether a store does not know how to write on a condition."""
    return isinstance(error, NotImplementedError) or _code(error) in {"NotImplemented", "501"}


def _code(error: BaseException | None) -> str:
    """Return what S3 calls an error that s3fs translated."""
    response: Any = getattr(error.__cause__, "response", None) if error else None
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""
