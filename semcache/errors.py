"""Every error that semcache raises on purpose.

    SemcacheError
    |-- ConfigError            an argument, a flag or a setting is outside its range
    |-- MissingExtraError      an optional dependency is not installed; holds the pip line
    |-- CorpusError            corpus files have problems; holds all of them
    |-- BuildError             a build could not finish; the live version is untouched
    |   |-- BuildLockedError       another process builds, pulls, rolls back or sweeps the same name
    |   |-- RecallError            the index finds too few of the exact neighbours
    |   `-- GateError              a new version does not keep to what was asked of it
    |-- StorageError           the operating system refused: full disk, permission, ...
    |-- BundleError            a bundle cannot be served
    |   |-- BundleNotFoundError    there is none at this place
    |   |-- BundleFormatError      it was written by a newer (or unknown) format
    |   |-- BundleCorruptError     its bytes are not the ones that were written
    |   `-- BundleExpiredError     it was pulled, and its release is older than the caller allows
    |-- EncoderError           an encoder cannot be loaded or exported
    |   `-- EncoderMismatchError   it does not give the vectors the bundle was built with
    |-- LlmError               a language model's endpoint refused, or gave nothing that can be used
    |-- KeyFileError           a private key cannot be made, read or used
    |-- RemoteError            the place where bundles are shared cannot be used as asked
    |   |-- RemoteUnavailableError it stalls, breaks off or refuses
    |   |-- ObjectMissingError     it has no such object
    |   |-- ObjectExistsError      it has that object already
    |   |-- ObjectTooLargeError    an object is larger than it may be
    |   |-- ChunkError             bytes are not those that the chunk's name stands for
    |   |-- ReleaseError           what is offered cannot be built here, or is not of its form
    |   |   |-- ReleaseFormatError     a newer semcache published it
    |   |   |-- ReleaseNameError       it is another bundle's
    |   |   `-- ReleaseEncoderError    it comes with another encoder than it names
    |   |-- NotPublishedError      it offers nothing of that name
    |   |-- PublishConflictError   somebody else publishes to it
    |   `-- TrustError             what it holds is not what its publisher signed, or no longer
    |       |-- SignatureError         not signed by enough of the keys that may
    |       |-- ChangedMetadataError   its bytes are not the ones that were signed
    |       |-- RollbackError          older than what was seen before
    |       |-- MixedVersionsError     files of different versions stand together
    |       |-- ExpiredError           nobody has renewed it in time
    |       |-- ClockError             this machine's clock is behind the publisher's
    |       `-- UnsignedRemoteError    nothing vouches for it
    `-- CacheUnusableError     this cache object can no longer be asked
        |-- CacheClosedError       after close()
        `-- CacheForkedError       in a child process, after fork()

A miss is not an error: `Cache.lookup` returns `Miss`. Each message says what, where, what was found and
what is allowed, and what to do next. Errors of other libraries never leave the file that calls them.
"""

from __future__ import annotations

import errno
from datetime import datetime
from pathlib import Path
from typing import Any


class SemcacheError(Exception):
    """Base of every error that semcache raises on purpose. Survives being sent between processes, fields and all."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[SemcacheError], args: tuple[Any, ...], fields: dict[str, Any]) -> SemcacheError:
    """Make an error anew from its text and fields, without the arguments it was first made of."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class ConfigError(SemcacheError, ValueError):
    """An argument, a flag or a setting is outside its range."""


class MissingExtraError(SemcacheError, ImportError):
    """An optional dependency is not installed.

    Attributes:
        pip_line: the exact command that installs what is missing.
    """

    def __init__(self, what: str, *, extra: str) -> None:
        self.pip_line = f'pip install "semcache[{extra}]"'
        super().__init__(f"{what} needs an extra that is not installed; install it with: {self.pip_line}")


class CorpusError(SemcacheError):
    """Corpus files have problems.

    Attributes:
        problems: one `file:line: field: what was found, what is allowed` each, in file order.
        n_problems: how many there are; `problems` stops at a bound, this does not.
    """

    def __init__(self, problems: list[str], *, n_problems: int | None = None) -> None:
        self.problems = problems
        self.n_problems = len(problems) if n_problems is None else n_problems
        more = self.n_problems - len(problems)
        tail = [f"... and {more} more"] if more else []
        super().__init__("\n".join([*problems, *tail]))


class BuildError(SemcacheError):
    """A build could not finish; the version that was live still is."""


class BuildLockedError(BuildError):
    """Another process builds, pulls, rolls back or sweeps the same name."""

    def __init__(self, lock_path: Path) -> None:
        self.path = lock_path
        super().__init__(f"{lock_path}: a build, pull, rollback or gc of this name is running; wait for it to end")


class RecallError(BuildError):
    """The index finds too few of the exact neighbours.

    Attributes:
        at_1, at_10: measured recall, 0 to 1.
        min_at_1, min_at_10: what the build asked for.
    """

    def __init__(self, *, at_1: float, at_10: float, min_at_1: float, min_at_10: float) -> None:
        self.at_1, self.at_10, self.min_at_1, self.min_at_10 = at_1, at_10, min_at_1, min_at_10
        super().__init__(
            f"index recall@1 {at_1:.4f} and recall@10 {at_10:.4f}, asked for at least {min_at_1} and {min_at_10}; "
            "build with --index flat (exact), or lower --min-recall-at-1 / --min-recall-at-10"
        )


class GateError(BuildError):
    """A new version does not keep to what was asked of it; it was deleted.

    Attributes:
        reasons: one sentence for each gate that it did not pass.
    """

    def __init__(self, reasons: list[str]) -> None:
        self.reasons = reasons
        super().__init__("; ".join(reasons))


class StorageError(SemcacheError):
    """The operating system refused to read or write.

    Attributes:
        path: the file or folder.
        errno: the system's error number, or None.
    """

    def __init__(self, path: Path | str, reason: str, *, number: int | None = None) -> None:
        self.path, self.errno = Path(path), number
        super().__init__(f"{path}: {reason}")

    @classmethod
    def from_os_error(cls, path: Path | str, error: OSError) -> StorageError:
        """Translate an OSError, with the next step for the ones a person can mend."""
        hints = {
            errno.ENOSPC: "free some space and run the command again; the live version is untouched",
            errno.EDQUOT: "the disk quota is used up; the live version is untouched",
            errno.EACCES: "check the owner and the permissions of this folder",
            errno.EPERM: "check the owner and the permissions of this folder",
            errno.EROFS: "this file system is read-only; choose another --root",
        }
        reason = error.strerror or str(error)
        hint = hints.get(error.errno or 0)
        return cls(path, f"{reason}; {hint}" if hint else reason, number=error.errno)


class BundleError(SemcacheError):
    """A bundle cannot be served.

    Attributes:
        path: the file or folder at fault.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path, self.reason = Path(path), reason
        super().__init__(f"{path}: {reason}")


class BundleNotFoundError(BundleError):
    """There is no bundle at this place."""


class BundleFormatError(BundleError):
    """The bundle was written by a newer, or an unknown, format."""


class BundleCorruptError(BundleError):
    """The bytes of a bundle are not the ones that were written."""


class BundleExpiredError(BundleError):
    """A pulled bundle's release is older than the caller allows."""


class EncoderError(SemcacheError):
    """An encoder cannot be loaded or exported."""


class EncoderMismatchError(EncoderError):
    """The encoder does not give the vectors that the bundle was built with."""


class LlmError(SemcacheError):
    """A language model's endpoint refused, or gave nothing that can be used.

    Attributes:
        url: the endpoint, without user and password.
    """

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        super().__init__(f"{url}: {reason}")


class KeyFileError(SemcacheError):
    """A private key cannot be made, read or used.

    Attributes:
        path: the file or folder.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path, self.reason = Path(path), reason
        super().__init__(f"{path}: {reason}")


class RemoteError(SemcacheError):
    """The place where bundles are shared cannot be used as asked.

    Attributes:
        url: of the object or the remote, without user, password and query.
    """

    def __init__(self, url: str, reason: str) -> None:
        self.url = url
        super().__init__(f"{url}: {reason}")


class RemoteUnavailableError(RemoteError):
    """A remote stalls, breaks off or refuses.

    Attributes:
        may_pass: another attempt may help: it was a timeout, a broken connection or an error of the server.
    """

    def __init__(self, url: str, reason: str, *, may_pass: bool = False) -> None:
        self.may_pass = may_pass
        super().__init__(url, reason)


class ObjectMissingError(RemoteError):
    """A remote has no such object."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "there is no such object; check the remote's address, and that it was published to")


class ObjectExistsError(RemoteError):
    """A remote has that object already, and it was to be new."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "is there already, though it should be new; somebody else wrote it, look and try again")


class ObjectTooLargeError(RemoteError):
    """An object of a remote is larger than it may be.

    Attributes:
        limit_bytes: the size that is allowed.
    """

    def __init__(self, url: str, *, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        super().__init__(url, f"is larger than the {limit_bytes} bytes that are allowed; check the remote's address")


class ChunkError(RemoteError):
    """Bytes are not those that the chunk's name stands for: truncated, changed, swapped, or too large unpacked."""


class ReleaseError(RemoteError):
    """What a remote offers is not of its form, or does not fit together."""


class ReleaseFormatError(ReleaseError):
    """What a remote offers is of a newer form than this program reads."""


class ReleaseNameError(ReleaseError):
    """What a remote offers under a name is another bundle's."""


class ReleaseEncoderError(ReleaseError):
    """What a remote offers comes with another encoder than its manifest names."""


class NotPublishedError(RemoteError):
    """A remote offers nothing of that name.

    Attributes:
        offered: what it does offer.
    """

    def __init__(self, url: str, path: str, *, offered: list[str]) -> None:
        self.offered = offered
        known = f"it has {', '.join(offered)}" if offered else "check the name, and that it was published"
        super().__init__(url, f"offers no {path}; {known}")


class PublishConflictError(RemoteError):
    """Somebody else publishes to this remote; nothing that readers see was changed."""


class TrustError(RemoteError):
    """What a remote holds is not what its publisher signed, or no longer."""


class SignatureError(TrustError):
    """Metadata is not signed by enough of the keys that may sign it."""


class ChangedMetadataError(TrustError):
    """The bytes of metadata, or of what it names, are not the ones that were signed."""


class RollbackError(TrustError):
    """Metadata is older than what this machine has seen before."""


class MixedVersionsError(TrustError):
    """Genuine metadata of different versions stands together."""


class ExpiredError(TrustError):
    """Metadata was not renewed in time, so it may be old.

    Attributes:
        role: which metadata.
        expired: since when, in UTC.
    """

    def __init__(self, url: str, *, role: str, expired: datetime, now: datetime) -> None:
        self.role, self.expired = role, expired
        next_step = "keys rotate root" if role == "root" else "keys sign"
        super().__init__(
            url,
            f"its {role} metadata expired at {expired:%Y-%m-%d %H:%M} UTC, and this machine's clock says "
            f"{now:%Y-%m-%d %H:%M} UTC; if the clock is right, the publisher has to renew it (semcache {next_step}); "
            "until then it may be old",
        )


class ClockError(TrustError):
    """This machine's clock is behind the publisher's, so nothing can be told to be old.

    Attributes:
        signed: when the publisher signed, in UTC.
    """

    def __init__(self, url: str, *, signed: datetime, now: datetime) -> None:
        self.signed = signed
        super().__init__(
            url,
            f"signed at {signed:%Y-%m-%d %H:%M} UTC, and this machine's clock says {now:%Y-%m-%d %H:%M} UTC, which is "
            "earlier; set the clock of this machine, or the publisher's, and try again",
        )


class UnsignedRemoteError(TrustError):
    """Nothing vouches for what a remote holds."""


class CacheUnusableError(SemcacheError, RuntimeError):
    """This cache object can no longer be asked."""


class CacheClosedError(CacheUnusableError):
    """The cache was closed."""

    def __init__(self) -> None:
        super().__init__("this cache is closed; open it again with Cache.open(...)")


class CacheForkedError(CacheUnusableError):
    """The cache was opened before fork() and is used in the child."""

    def __init__(self) -> None:
        super().__init__("this cache was opened before fork(); open it in the child process with Cache.open(...)")
