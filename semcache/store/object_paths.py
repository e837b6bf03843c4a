"""Names of objects within a remote, checked; addresses as they may be shown."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from semcache.errors import ConfigError

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_MAX_PATH_CHARS = 512
_MAX_PART_CHARS = 200


def is_object_path(path: str) -> bool:
    """Return whether a name is one that an object may have: parts of ASCII letters, digits, `.`, `_`, `-`.

    Each part begins with a letter or a digit, so none is hidden, empty, `.` or `..`, and none names a scheme.
    """
    return len(path) <= _MAX_PATH_CHARS and all(
        len(part) <= _MAX_PART_CHARS and _PART.fullmatch(part) for part in path.split("/")
    )


def check_object_path(path: str) -> None:
    """Raise ConfigError for a name that no object may have."""
    if not is_object_path(path):
        msg = f"object: found {path!r:.200}, allowed parts of letters, digits and ._- joined by /"
        raise ConfigError(msg)


def shown(url: str) -> str:
    """Return an address without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url.partition(":")[0]
    netloc = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=netloc, query="", fragment="").geturl() if parts.scheme else url
