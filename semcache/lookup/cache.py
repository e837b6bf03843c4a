"""The public face of a bundle: open, look up, refresh, close.

Readers are never stopped: each call takes the current version once and keeps it until it returns, so refresh()
and close() only let go of it. What a caller still holds (a value) keeps its own map alive.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from semcache.bundle.locate import BundleLocation, locate
from semcache.bundle.reader import VersionReader
from semcache.bundle.release_note import ReleaseNote
from semcache.config import DEFAULT_ROOT, MAX_AGE_S, OpenConfig, RecordConfig
from semcache.core.manifest import Manifest
from semcache.core.vectors import FloatRows
from semcache.errors import BundleError, BundleNotFoundError, CacheClosedError, CacheForkedError, ConfigError
from semcache.lookup.age import Age
from semcache.lookup.assess import assess
from semcache.lookup.explain import explain
from semcache.lookup.poller import Poller
from semcache.lookup.record import Recorder
from semcache.lookup.version import Version
from semcache.types import Assessment, Explanation, Neighbour, Result

_MAX_K = 65_536
_OPEN_TRIES = 8


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """What is open.

    Attributes:
        path: the version's folder.
        id: the version.
        size_bytes: of its files; the encoder is beside them.
        manifest: everything it says of itself.
        release: what it was pulled as; None where it was built here.
        warning: what a person should know of it: that its release is older than allowed. None where there is nothing.
    """

    path: Path
    id: str
    size_bytes: int
    manifest: Manifest
    release: ReleaseNote | None = None
    warning: str | None = None


class Cache:
    """A bundle, open for lookups. Safe to share between threads; open it anew in a child process."""

    def __init__(self, location: BundleLocation, config: OpenConfig, *, record: RecordConfig | None) -> None:
        """Use `Cache.open`."""
        self._location, self._config = location, config
        self._lock = threading.Lock()  # one refresh at a time
        self._switch = threading.Lock()  # held for one assignment; lookups take neither
        self._unusable: type[CacheClosedError | CacheForkedError] = CacheClosedError
        self._version: Version | None = _open_live(location, config)
        self._recorder = None if record is None else Recorder(record)
        if self._recorder is not None:
            weakref.finalize(self, self._recorder.close)  # what is never closed is written at the program's end
        self._poller = None if config.refresh_every_s is None else Poller(self, every_s=config.refresh_every_s)
        if self._poller is not None:
            weakref.finalize(self, self._poller.close)
        _open_caches.add(self)

    @classmethod
    def open(
        cls,
        bundle: str | Path,
        *,
        root: str | Path = DEFAULT_ROOT,
        prefault: bool = True,
        embed_threads: int = 1,
        verify: Literal["frame", "full"] = "frame",
        max_age_s: float | None = MAX_AGE_S,
        strict_age: bool = False,
        refresh_every_s: float | None = None,
        record: RecordConfig | str | Path | None = None,
    ) -> Cache:
        """Open a bundle. No model is loaded before the first lookup that needs one.

        Args:
            bundle: its name in `root`, its folder, or the folder of one of its versions (which is then kept:
                refresh() stays on it).
            root: holds bundles.
            prefault: bring the index into memory now; False opens faster and makes first lookups slower.
            embed_threads: cores one embedding may use, 1 to 256.
            verify: "frame" checks all that is parsed; "full" reads and checks every byte.
            max_age_s: a pulled bundle whose release was published longer ago (7 days) is served with a warning, one in
                the log and one in `info`; None for any age.
            strict_age: refuse it instead, here and in lookups.
            refresh_every_s: call refresh() this often, in a thread of its own. Where that fails, the version before
                stays in use and the log says so once. None leaves refreshing to the caller.
            record: append each lookup to files in this folder, in the background, texts included; a `RecordConfig`
                leaves texts out or hashes them. None records nothing.

        Raises:
            BundleNotFoundError: there is none.
            BundleFormatError: a newer semcache wrote it.
            BundleCorruptError: it is damaged; says which file.
            BundleExpiredError: it is older than allowed, and `strict_age` is set.
            StorageError: the system refuses.
            ConfigError: an argument is outside its range.
        """
        config = OpenConfig(
            prefault=prefault,
            embed_threads=embed_threads,
            verify=verify,
            max_age_s=max_age_s,
            strict_age=strict_age,
            refresh_every_s=refresh_every_s,
        )
        if isinstance(record, str | Path):
            record = RecordConfig(Path(record))
        return cls(locate(bundle, root=Path(root)), config, record=record)

    def lookup(self, text: str, *, namespace: str | None = None, max_error: float | None = None) -> Result:
        """Return the stored answer for a text, or why there is none.

        Args:
            text: what the user typed.
            namespace: look only there; None looks everywhere.
            max_error: the share of wrong answers among hits that the caller accepts, over 0 and up to 1. A hit on
                the very same text is always served; for others the bundle must be certified for that error or a
                smaller one. None accepts the bundle's own; more than that is not served either.

        Raises:
            CacheClosedError, CacheForkedError: the cache cannot be used any more.
            BundleCorruptError: the record that would have been served is damaged.
            BundleExpiredError: it has become older than allowed since it was opened, with `strict_age`.
            EncoderError: the encoder beside the bundle is missing, damaged, or gives other vectors here.
            ConfigError: max_error is outside its range.
        """
        _check_max_error(max_error)
        version, now = self._current(), time.time()
        if now > version.age.old_after:
            version.age.check(now)
        result = version.exact(text, namespace=namespace, now=now)
        if result is None:
            (result,) = _semantic(version, [text], namespace=namespace, max_error=max_error, now=now)
        if self._recorder is not None:
            self._recorder.add(text, namespace, result, now)
        return result

    def lookup_many(
        self, texts: Sequence[str], *, namespace: str | None = None, max_error: float | None = None
    ) -> list[Result]:
        """Return `lookup` of each text, in order; texts that need the model are embedded together."""
        _check_max_error(max_error)
        version, now = self._current(), time.time()
        if now > version.age.old_after:
            version.age.check(now)
        results = [version.exact(text, namespace=namespace, now=now) for text in texts]
        open_texts = [text for text, result in zip(texts, results, strict=True) if result is None]
        answers = iter(
            _semantic(version, open_texts, namespace=namespace, max_error=max_error, now=now) if open_texts else ()
        )
        found = [next(answers) if result is None else result for result in results]
        if self._recorder is not None:
            for text, result in zip(texts, found, strict=True):
                self._recorder.add(text, namespace, result, now)
        return found

    def search(self, text: str, k: int = 10, *, namespace: str | None = None) -> list[Neighbour]:
        """Return the k nearest rows of a text, best first, without deciding. Fewer where there are no more.

        Raises:
            ConfigError: k is not 1 to 65,536, or the text cannot be embedded; and as `lookup`.
        """
        _check_k(k)
        version = self._current()
        if namespace is not None and version.reader.namespace_number(namespace) is None:
            msg = f"namespace: found {namespace!r}, allowed {', '.join(version.reader.manifest.namespaces[:8])}"
            raise ConfigError(msg)
        vectors = _embed(version, [text])
        if not vectors.any():
            msg = f"text: {version.not_embedded(text).detail}"
            raise ConfigError(msg)
        rows, scores = version.retrieve(vectors, namespace=namespace, k=k)[0]
        return list(version.named(rows.tolist(), scores.tolist()))

    def assess(self, texts: Sequence[str], *, namespace: str | None = None) -> list[Assessment]:
        """Return how sure the bundle is of each text's answer, whatever the threshold. For measuring, not serving.

        Raises:
            As `lookup_many`.
        """
        version, now = self._current(), time.time()
        return assess(version, texts, namespace=namespace, now=now)

    def embed(self, texts: Sequence[str]) -> FloatRows:
        """Return (n, dim) float32 unit rows with the bundle's encoder; zero for a text it cannot tell apart.

        Raises:
            ConfigError: a text is not valid Unicode.
        """
        return _embed(self._current(), texts)

    def explain(
        self, text: str, *, namespace: str | None = None, max_error: float | None = None, k: int = 10
    ) -> Explanation:
        """Return everything a lookup of this text looks at, and what would have to change for a hit.

        Raises:
            ConfigError: k is not 1 to 65,536, or max_error is outside its range; and as `lookup`.
        """
        _check_max_error(max_error)
        _check_k(k)
        return explain(self._current(), text, namespace=namespace, max_error=max_error, k=k, now=time.time())

    @property
    def info(self) -> BundleInfo:
        """Return what is open now."""
        version = self._current()
        reader, age = version.reader, version.age
        size_bytes = sum(file.size_bytes for file in reader.manifest.files.values())
        return BundleInfo(reader.folder, reader.id, size_bytes, reader.manifest, age.release, age.warning(time.time()))

    def refresh(self) -> bool:
        """Switch to the version that CURRENT names now. Running lookups end on the version they began on.

        Where semantic lookups were made of the version before, all that the first one would wait for is done here.

        Returns:
            Whether the version changed.

        Raises:
            BundleError, EncoderError: the new version cannot be used; the old one stays in use.
        """
        with self._lock:
            before = self._current()
            if self._location.live_id() == before.reader.id:
                before.follow_release(Age(self._location, before.reader.id, self._config))
                return False
            after = _open_live(self._location, self._config)
            if before.is_ready:
                after.make_ready()
            with self._switch:
                if self._version is None:  # closed meanwhile: it stays closed
                    raise self._unusable
                self._version = after
            return after.reader.id != before.reader.id

    def close(self) -> None:
        """Let go of the bundle. Safe to call twice, and while other threads look up; values stay readable."""
        with self._switch:
            self._version = None
        if self._poller is not None:
            self._poller.close()
        if self._recorder is not None:
            self._recorder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        version = self._version
        state = "not usable" if version is None else version.reader.id
        return f"<semcache.Cache {self._location.bundle_dir} {state}>"

    def _current(self) -> Version:
        version = self._version
        if version is None:
            raise self._unusable
        return version

    def _forget_after_fork(self) -> None:
        self._lock, self._switch = threading.Lock(), threading.Lock()
        if self._version is not None:
            self._version, self._unusable = None, CacheForkedError
        if self._poller is not None:
            self._poller.forget_after_fork()
        if self._recorder is not None:
            self._recorder.forget_after_fork()


def _check_max_error(max_error: float | None) -> None:
    if max_error is not None and not 0 < max_error <= 1:
        msg = f"max_error: found {max_error}, allowed over 0 and up to 1"
        raise ConfigError(msg)


def _check_k(k: int) -> None:
    if not 1 <= k <= _MAX_K:
        msg = f"k: found {k}, allowed 1 to {_MAX_K}"
        raise ConfigError(msg)


def _open_live(location: BundleLocation, config: OpenConfig) -> Version:
    """Open the version CURRENT names; it may be replaced and removed between the two steps, so look again."""
    for _ in range(_OPEN_TRIES):
        live = location.live_id()
        try:
            return _open_version(location, live, config)
        except BundleError:
            if location.live_id() == live:
                raise
    msg = f"CURRENT changed {_OPEN_TRIES} times while it was opened"
    raise BundleNotFoundError(location.bundle_dir, msg)


def _open_version(location: BundleLocation, live: str, config: OpenConfig) -> Version:
    age = Age(location, live, config)
    age.check(time.time())
    return Version(VersionReader(location, live, config), age, embed_threads=config.embed_threads)


def _embed(version: Version, texts: Sequence[str]) -> FloatRows:
    for text in texts:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            msg = f"text: holds an unpaired surrogate at character {error.start}, which is not Unicode text"
            raise ConfigError(msg) from error
    return version.embedder().embed(texts)


def _semantic(
    version: Version, texts: list[str], *, namespace: str | None, max_error: float | None, now: float
) -> list[Result]:
    return [
        version.not_embedded(text) if judged is None else version.serve_semantic(judged, max_error=max_error, now=now)
        for text, judged in zip(texts, version.judge_all(texts, namespace=namespace), strict=True)
    ]


_open_caches: weakref.WeakSet[Cache] = weakref.WeakSet()


def _forget_in_child() -> None:
    """After fork: the maps are shared with the parent, the LMDB environment and locks must not be."""
    for cache in list(_open_caches):
        cache._forget_after_fork()  # noqa: SLF001 - same file, not part of the public face


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)
