"""How old the release of an open version is, and what follows where that is more than its caller allows."""

from __future__ import annotations

import logging
import math
from datetime import UTC, datetime

from semcache.bundle.locate import BundleLocation
from semcache.bundle.release_note import ReleaseNote, read_note
from semcache.config import OpenConfig
from semcache.errors import BundleExpiredError

_DAY_S = 24 * 3600

_logger = logging.getLogger(__name__)


class Age:
    """The age of one version; of one that was not pulled, or may have any age, nothing follows.

    Attributes:
        release: what was pulled; None where this version does not stand for a release.
        old_after: Unix time after which it is older than allowed.
    """

    def __init__(self, location: BundleLocation, version: str, config: OpenConfig) -> None:
        note = read_note(location.bundle_dir)
        self.release: ReleaseNote | None = note if note is not None and note.version == version else None
        self.old_after = math.inf
        if self.release is not None and config.max_age_s is not None:
            self.old_after = self.release.published + config.max_age_s
        self._location, self._is_strict, self._is_told = location, config.strict_age, False

    def check(self, now: float) -> None:
        """Where the release is older than allowed: log it once, or raise.

        Raises:
            BundleExpiredError: it is, and the caller is strict.
        """
        warning = self.warning(now)
        if warning is None:
            return
        if self._is_strict:
            raise BundleExpiredError(self._location.bundle_dir, warning)
        if not self._is_told:
            self._is_told = True
            _logger.warning("%s: %s", self._location.bundle_dir, warning)

    def warning(self, now: float) -> str | None:
        """Return what a person should know of the age; None where it is as allowed."""
        if now <= self.old_after or self.release is None:
            return None
        published = datetime.fromtimestamp(self.release.published, UTC)
        days = (now - self.release.published) / _DAY_S
        return (
            f"release {self.release.number} was published {published:%Y-%m-%d %H:%M} UTC, {days:.1f} days ago, which "
            f"is more than is allowed; pull again, or ask the publisher of {self.release.url} for a newer one"
        )
