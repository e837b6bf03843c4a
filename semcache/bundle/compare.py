"""What tells two versions of a bundle apart: entries that came, went, or changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from semcache.bundle.reader import VersionReader
from semcache.bundle.records import RecordError, unpack_entry, unpack_variant
from semcache.errors import BundleCorruptError
from semcache.types import VariantKind

_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class IndexedText:
    """A text that is indexed for an entry: how it came there, and its row."""

    kind: VariantKind
    row: int


@dataclass(slots=True)
class EntryContent:
    """An entry as a version holds it.

    Attributes:
        id, namespace, valid_until, metadata_json: of the entry.
        answer_digest: 16 bytes, of the answer and its type.
        texts: what is indexed for it, guards too.
    """

    id: str
    namespace: str
    valid_until: int
    metadata_json: bytes
    answer_digest: bytes
    texts: dict[str, IndexedText] = field(default_factory=dict)

    @property
    def asks(self) -> frozenset[str]:
        """The texts that get its answer: all but guards."""
        return frozenset(text for text, indexed in self.texts.items() if indexed.kind is not VariantKind.GUARD)

    @property
    def query(self) -> str:
        """The entry's question; one of its texts where it has none of its own."""
        asks = (text for text, indexed in self.texts.items() if indexed.kind is VariantKind.QUERY)
        return next(asks, next(iter(self.texts), ""))


@dataclass(frozen=True, slots=True)
class EntryChange:
    """What became of an entry.

    Attributes:
        id, query: of the entry; as it is now, or was where it has gone.
        what: one phrase for each thing that changed; empty for an entry that is new or gone.
    """

    id: str
    query: str
    what: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Changes:
    """What tells a version from the one before it.

    Attributes:
        added, removed, changed: entries, each list by id.
        n_same: entries that did not change.
        new_rows: of the later version, those whose text did not get this very answer in this namespace before.
    """

    added: tuple[EntryChange, ...]
    removed: tuple[EntryChange, ...]
    changed: tuple[EntryChange, ...]
    n_same: int
    new_rows: tuple[int, ...]


def entries_of_version(reader: VersionReader) -> dict[str, EntryContent]:
    """Return all entries of a version by their id.

    Raises:
        BundleCorruptError: a record is damaged.
    """
    contents = reader.contents()
    try:
        answers = (blake2b(raw, digest_size=_DIGEST_BYTES).digest() for raw in contents.answer_records())
        digests = dict(zip(contents.answers.tolist(), answers, strict=True))
        found: dict[int, EntryContent] = {}
        for number, record in zip(contents.entries.tolist(), contents.entry_records(), strict=True):
            entry_id, metadata = unpack_entry(record)
            until, namespace = reader.valid_until(number), reader.namespace_of(number)
            found[number] = EntryContent(entry_id, namespace, until, metadata, digests[reader.answer_of(number)])
        rows = zip(contents.rows.tolist(), contents.owners.tolist(), contents.variant_records(), strict=True)
        for row, owner, record in rows:
            kind, text = unpack_variant(record)
            found[owner].texts[text] = IndexedText(kind, row)
    except (RecordError, UnicodeDecodeError) as error:
        raise BundleCorruptError(reader.folder, str(error)) from error
    return {entry.id: entry for entry in found.values()}


def compare_entries(before: Mapping[str, EntryContent], after: Mapping[str, EntryContent]) -> Changes:
    """Return what tells the entries of a later version from those of an earlier one."""
    changed = [
        EntryChange(entry_id, after[entry_id].query, what)
        for entry_id in sorted(before.keys() & after.keys())
        if (what := _differences(before[entry_id], after[entry_id]))
    ]
    new_rows = list[int]()
    for entry_id, entry in after.items():
        was = before.get(entry_id)
        had = was.asks if was is not None and _answers_alike(was, entry) else frozenset()
        new_rows += [entry.texts[text].row for text in entry.asks - had]
    return Changes(
        added=_listed(after, after.keys() - before.keys()),
        removed=_listed(before, before.keys() - after.keys()),
        changed=tuple(changed),
        n_same=len(before.keys() & after.keys()) - len(changed),
        new_rows=tuple(sorted(new_rows)),
    )


def _answers_alike(before: EntryContent, after: EntryContent) -> bool:
    return (before.answer_digest, before.namespace) == (after.answer_digest, after.namespace)


def _listed(entries: Mapping[str, EntryContent], ids: set[str]) -> tuple[EntryChange, ...]:
    return tuple(EntryChange(entry_id, entries[entry_id].query) for entry_id in sorted(ids))


def _differences(before: EntryContent, after: EntryContent) -> tuple[str, ...]:
    """Return one phrase for each thing that differs."""
    names = {
        "answer": before.answer_digest != after.answer_digest,
        "namespace": before.namespace != after.namespace,
        "valid_until": before.valid_until != after.valid_until,
        "metadata": before.metadata_json != after.metadata_json,
    }
    had, has = ({(text, indexed.kind) for text, indexed in entry.texts.items()} for entry in (before, after))
    n_new, n_gone = len(has - had), len(had - has)
    texts = [f"{sign}{n:,} texts" if n > 1 else f"{sign}1 text" for sign, n in (("+", n_new), ("-", n_gone)) if n]
    return (*(name for name, differs in names.items() if differs), *texts)
