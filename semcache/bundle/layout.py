"""Names and numbers that reach the disk. Changing any of them changes the format (FORMAT.md)."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import numpy as np

CURRENT_FILE = "CURRENT"
LOCK_FILE = "build.lock"
HISTORY_FILE = "history"
"""Of a bundle: the versions that were live before the one that is."""
VERSIONS_DIR = "versions"
ENCODERS_DIR = "encoders"
SOURCES_DIR = "sources"
EXPORT_LOCK_FILE = "export.lock"
CHUNKS_DIR = "chunks"
"""Of a root: chunks of releases, by the sha256 of their bytes."""
EMBEDDINGS_DIR = "embeddings"
"""Of a root: vectors that builds made, by encoder. Writer's own; may be deleted at any time."""
TRUST_DIR = "trust"
"""Of a root: what is known of each remote that something was pulled from."""
PULLED_FILE = "pulled.json"
"""Of a bundle: the release that its last pull brought."""
REBUILT_FILE = "rebuild.json"
"""Of a bundle: what its last rebuild did. Writer's own; may be deleted at any time."""
REBUILD_PAGE_FILE = "rebuild.html"
REBUILD_LOCK_FILE = "rebuild.lock"
RELEASES_DIR = "releases"
"""Of a bundle: the releases that its versions stand for."""
STAGING_PREFIX = ".staging-"

MANIFEST_FILE = "manifest.json"
INDEX_FILE = "index.faiss"
VALUES_FILE = "values.mdb"
ROWS_FILE = "rows.npy"
ENTRIES_FILE = "entries.npy"
PROBES_FILE = "probes.npy"
RECORDS_FILE = "records.sha256"
"""Digest of the checksums of all records: ties values.mdb, which is not read at open, to its version."""
ADAPTER_FILE = "adapter.npy"
ROW_FACTS_FILE = "row_facts.npy"
ANSWER_FACTS_FILE = "answer_facts.npy"
WORDS_FILE = "words.npy"
RARITY_FILE = "rarity.npy"
TREES_FILE = "trees.npy"
LEARNED_FILE = "learned.npy"
DECISION_FILES = (
    ADAPTER_FILE,
    ROW_FACTS_FILE,
    ANSWER_FACTS_FILE,
    WORDS_FILE,
    RARITY_FILE,
    TREES_FILE,
    LEARNED_FILE,
)
"""What the decision needs beside the manifest."""
VERSION_FILES = (INDEX_FILE, VALUES_FILE, ROWS_FILE, ENTRIES_FILE, PROBES_FILE, RECORDS_FILE, *DECISION_FILES)
"""Every file of a version but manifest.json, which lists them."""

KEYS_TABLE = "keys"
VALUES_TABLE = "values"
ENTRIES_TABLE = "entries"
VARIANTS_TABLE = "variants"
META_TABLE = "meta"
TABLES = (KEYS_TABLE, VALUES_TABLE, ENTRIES_TABLE, VARIANTS_TABLE, META_TABLE)
DICTIONARY_KEY = b"dictionary"

ROW_DTYPE = np.dtype("<i4")
"""rows.npy: the entry a row belongs to; for a guard ~entry, which is negative; `DEAD_ROW` for a dead row."""
DEAD_ROW = -(2**31)
DEAD_ENTRY = -1
"""Namespace and answer of a dead entry."""
ENTRY_DTYPE = np.dtype([("namespace", "<i4"), ("answer", "<i4"), ("valid_until", "<i8")])
"""entries.npy: number of the namespace, number of the answer, Unix seconds (NEVER: no end)."""
NEVER = 2**63 - 1

PROBE_TEXTS = (
    "how do I add user login to my app?",
    "Create an API endpoint that returns all orders of a customer.",
    "pls disable the 2nd e-mail notif, NOT the first one!!",
    "find . -name '*.py' -mtime -7 | xargs wc -l",
    "df.groupby('city')['price'].mean()",
    "PostgreSQL 15 to 16 upgrade",
    "\u00bfC\u00f3mo a\u00f1ado una base de datos? \u2014 na\u00efve caf\u00e9 \u65e5\u672c\u8a9e",
    "spec plan tasks implement",
)
PROBE_MIN_COSINE = 0.999

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a bundle or a namespace may be called."""
RESERVED_NAMES = (ENCODERS_DIR, CHUNKS_DIR, EMBEDDINGS_DIR, TRUST_DIR)
_ID_PATTERN = re.compile(r"[0-9a-f]{32}")


def is_version_id(text: str) -> bool:
    """Say whether a text has the form of a version id."""
    return _ID_PATTERN.fullmatch(text) is not None


def is_name(text: str) -> bool:
    """Say whether a bundle may be called this."""
    return NAME_PATTERN.fullmatch(text) is not None and text not in RESERVED_NAMES


def encoder_dir(root: Path, fingerprint: str) -> Path:
    """Return the folder of an encoder that the bundles of a root share."""
    return root / ENCODERS_DIR / fingerprint


def trust_dir(root: Path, url: str) -> Path:
    """Return where a root keeps what it knows of a remote."""
    return root / TRUST_DIR / sha256(url.encode()).hexdigest()[:32]
