from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
from trusting import DAY, LIMIT, NOW, PATH, FolderObjects

from semcache.config import KeysConfig
from semcache.errors import ConfigError, KeyFileError, SignatureError
from semcache.remote.key_files import needs_passphrase
from semcache.remote.keys import (
    KeysReport,
    init_keys,
    private_paths,
    publisher_of,
    renew_root,
    rotate_key,
    show_keys,
    sign_pending,
)
from semcache.store.trust import verify_remote

WORD = "a passphrase"


@pytest.fixture
def keys_dir(tmp_path: Path) -> Path:
    """Give a folder of keys."""
    init(tmp_path / "keys")
    return tmp_path / "keys"


def init(keys_dir: Path, *, n_keys: int = 1, threshold: int = 1) -> KeysReport:
    """Make keys."""
    config = KeysConfig(root_keys=n_keys, root_threshold=threshold)
    return init_keys(keys_dir, config=config, passphrase=WORD, now=NOW)


def publish(keys_dir: Path, remote: Path, data: bytes, *, passphrase: str | None = WORD) -> None:
    """Publish one file with the keys of a folder."""
    publisher_of(FolderObjects(remote), keys_dir, url="s3://bucket", passphrase=passphrase).publish(
        {PATH: data}, now=NOW
    )


def read(remote: Path, metadata_dir: Path) -> bytes:
    """Return what a reader gets."""
    return verify_remote(FolderObjects(remote), metadata_dir=metadata_dir, now=NOW).read(PATH, limit_bytes=LIMIT)


def root_keys(keys_dir: Path) -> list[Path]:
    """Return the private root keys of a folder."""
    return sorted((keys_dir / "private").glob("root-*.pem"))


def test_keys_are_made_for_every_role(tmp_path: Path) -> None:
    """Each encrypted, and for its owner only."""
    report = init(tmp_path / "keys", n_keys=3, threshold=2)
    assert {role: len(paths) for role, paths in report.private.items()} == {
        "root": 3,
        "targets": 1,
        "snapshot": 1,
        "timestamp": 1,
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in report.made} == {0o600}
    assert stat.S_IMODE((tmp_path / "keys" / "private").stat().st_mode) == 0o700
    assert {path.read_bytes().partition(b"\n")[0] for path in report.made} == {
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----",
    }
    assert (report.root.version, report.root.thresholds["root"], report.pending) == (1, 2, None)


def test_what_was_published_with_a_folder_of_keys_is_read(keys_dir: Path, tmp_path: Path) -> None:
    """The reader sees the fingerprint that the publisher is shown."""
    publish(keys_dir, tmp_path / "remote", b"one")
    found = verify_remote(FolderObjects(tmp_path / "remote"), metadata_dir=tmp_path / "reader", now=NOW)
    assert found.read(PATH, limit_bytes=3) == b"one"
    assert found.anchor.fingerprint == show_keys(keys_dir).fingerprint


def test_no_private_key_reaches_the_remote(keys_dir: Path, tmp_path: Path) -> None:
    """Nor anything else of the folder but roots."""
    publish(keys_dir, tmp_path / "remote", b"one")
    files = [path for path in (tmp_path / "remote").rglob("*") if path.is_file()]
    assert not [path for path in files if b"PRIVATE" in path.read_bytes()]


def test_publishing_needs_no_root_key(keys_dir: Path, tmp_path: Path) -> None:
    """They are kept offline."""
    for path in root_keys(keys_dir):
        path.unlink()
    publish(keys_dir, tmp_path / "remote", b"one")
    assert read(tmp_path / "remote", tmp_path / "reader") == b"one"
    assert show_keys(keys_dir).private["root"] == []


def test_keys_are_not_made_over_others(keys_dir: Path) -> None:
    """They could not be had back."""
    before = private_paths(keys_dir)
    with pytest.raises(KeyFileError, match=r"keys: holds keys already; rotate them with semcache keys rotate"):
        init(keys_dir)
    assert private_paths(keys_dir) == before


def test_keys_are_not_made_within_a_remote(keys_dir: Path, tmp_path: Path) -> None:
    """Everybody reads it."""
    publish(keys_dir, tmp_path / "remote", b"one")
    with pytest.raises(KeyFileError, match=r"stands within the remote .*remote, which others read"):
        init(tmp_path / "remote" / "some" / "keys")
    assert not (tmp_path / "remote" / "some").exists()


def test_keys_are_not_made_within_a_folder_that_is_shared(tmp_path: Path) -> None:
    """Like the one of bundles; also by way of a link."""
    (tmp_path / "indexes").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "indexes")
    with pytest.raises(KeyFileError, match=r"stands within .*indexes, whose content is shared"):
        init_keys(
            tmp_path / "link" / "keys",
            config=KeysConfig(),
            passphrase=None,
            now=NOW,
            away_from=[tmp_path / "indexes"],
        )


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_a_rotated_key_counts_from_the_next_publish(keys_dir: Path, tmp_path: Path, role: str) -> None:
    """Readers who were there before follow; the old one is shown no more."""
    publish(keys_dir, tmp_path / "remote", b"one")
    read(tmp_path / "remote", tmp_path / "reader")
    old = show_keys(keys_dir).root.key_ids[role]
    report = rotate_key(keys_dir, role, passphrase=WORD, now=NOW)
    assert (report.root.version, report.pending, len(report.made)) == (2, None, 1)
    assert (len(report.root.key_ids[role]), set(report.root.key_ids[role]) & set(old)) == (1, set())
    publish(keys_dir, tmp_path / "remote", b"two")
    assert read(tmp_path / "remote", tmp_path / "reader") == b"two"


def test_a_lost_online_key_is_replaced(keys_dir: Path, tmp_path: Path) -> None:
    """Its file is gone; the root key makes another one count."""
    publish(keys_dir, tmp_path / "remote", b"one")
    [lost] = (keys_dir / "private").glob("targets-*.pem")
    lost.unlink()
    with pytest.raises(SignatureError, match=r"targets was signed by 0/1 keys"):
        publish(keys_dir, tmp_path / "remote", b"two")
    rotate_key(keys_dir, "targets", passphrase=WORD, now=NOW)
    publish(keys_dir, tmp_path / "remote", b"two")
    assert read(tmp_path / "remote", tmp_path / "reader") == b"two"


def test_a_root_key_that_is_kept_elsewhere_is_named(keys_dir: Path, tmp_path: Path) -> None:
    """Without it, it says which one to bring, and no key is made."""
    [path] = root_keys(keys_dir)
    offline = tmp_path / "stick.pem"
    path.rename(offline)
    before = private_paths(keys_dir)
    key_id = show_keys(keys_dir).root.key_ids["root"][0][:8]
    with pytest.raises(KeyFileError, match=rf"no root key at hand; bring {key_id}, or name its file with --key"):
        rotate_key(keys_dir, "timestamp", passphrase=WORD, now=NOW)
    assert private_paths(keys_dir) == before
    assert rotate_key(keys_dir, "timestamp", passphrase=WORD, now=NOW, key_paths=[offline]).root.version == 2


def test_a_root_of_two_holders_waits_for_the_second(tmp_path: Path) -> None:
    """Who signs in a copy of the folder without any private key, and hands it back."""
    keys_dir, copy, stick = tmp_path / "keys", tmp_path / "copy", tmp_path / "stick"
    init(keys_dir, n_keys=3, threshold=2)
    publish(keys_dir, tmp_path / "remote", b"one")
    stick.mkdir()
    for path in root_keys(keys_dir)[1:]:
        path.rename(stick / path.name)
    report = rotate_key(keys_dir, "timestamp", passphrase=WORD, now=NOW)
    assert report.pending is not None
    assert (report.root.version, report.pending.version, report.pending.n_missing) == (1, 2, 1)
    assert len(report.pending.may_sign) == 2
    shutil.copytree(keys_dir, copy, ignore=shutil.ignore_patterns("private"))
    signed = sign_pending(copy, passphrase=WORD, key_paths=[next(stick.iterdir())])
    assert (signed.root.version, signed.pending) == (2, None)
    assert (copy / "roots" / "2.root.json").exists()


def test_while_a_root_waits_no_other_is_made(tmp_path: Path) -> None:
    """Two of one version could not both count."""
    keys_dir = tmp_path / "keys"
    init(keys_dir, n_keys=2, threshold=2)
    root_keys(keys_dir)[0].unlink()
    rotate_key(keys_dir, "timestamp", passphrase=WORD, now=NOW)
    waiting = "a root waits for signatures here already"
    with pytest.raises(KeyFileError, match=waiting):
        rotate_key(keys_dir, "targets", passphrase=WORD, now=NOW)
    with pytest.raises(KeyFileError, match=waiting):
        renew_root(keys_dir, passphrase=WORD, now=NOW)


def test_until_a_root_is_signed_the_one_before_it_is_published(tmp_path: Path) -> None:
    """With the old key, which still counts."""
    keys_dir = tmp_path / "keys"
    init(keys_dir, n_keys=2, threshold=2)
    root_keys(keys_dir)[0].unlink()
    rotate_key(keys_dir, "timestamp", passphrase=WORD, now=NOW)
    publish(keys_dir, tmp_path / "remote", b"one")
    assert read(tmp_path / "remote", tmp_path / "reader") == b"one"


def test_signing_without_a_root_that_waits_says_so(keys_dir: Path) -> None:
    """And what makes one."""
    with pytest.raises(KeyFileError, match=r"no root waits for signatures; semcache keys rotate makes one"):
        sign_pending(keys_dir, passphrase=WORD)


def test_a_root_is_renewed_with_the_same_keys(keys_dir: Path) -> None:
    """Before it expires."""
    before = show_keys(keys_dir).root
    after = renew_root(keys_dir, passphrase=WORD, now=NOW + 300 * DAY).root
    assert (after.version, after.key_ids, after.expires) == (2, before.key_ids, NOW + 665 * DAY)


def test_of_several_keys_the_one_that_goes_is_named(tmp_path: Path) -> None:
    """By the begin of its id."""
    keys_dir = tmp_path / "keys"
    report = init(keys_dir, n_keys=2)
    gone, stays = report.root.key_ids["root"]
    with pytest.raises(ConfigError, match=rf"^--drop: found nothing, allowed one of the keys of root: {gone[:8]}, "):
        rotate_key(keys_dir, "root", passphrase=WORD, now=NOW)
    after = rotate_key(keys_dir, "root", passphrase=WORD, now=NOW, drop=gone[:8])
    assert stays in after.root.key_ids["root"]
    assert gone not in after.root.key_ids["root"]


def test_a_role_that_there_is_not_is_refused(keys_dir: Path) -> None:
    """With those that there are."""
    with pytest.raises(ConfigError, match=r"^role: found 'targts', allowed root, targets, snapshot, timestamp$"):
        rotate_key(keys_dir, "targts", passphrase=WORD, now=NOW)


@pytest.mark.parametrize("passphrase", [None, "another"])
def test_a_wrong_passphrase_is_said_with_the_file(keys_dir: Path, tmp_path: Path, passphrase: str | None) -> None:
    """Nothing is published."""
    with pytest.raises(KeyFileError, match=r"private/targets-[0-9a-f]{8}\.pem: .*passphrase"):
        publish(keys_dir, tmp_path / "remote", b"one", passphrase=passphrase)
    assert not (tmp_path / "remote").exists()


def test_a_private_key_that_others_may_read_is_refused(keys_dir: Path, tmp_path: Path) -> None:
    """With the command that mends it."""
    [path] = (keys_dir / "private").glob("targets-*.pem")
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match=r"others may read this private key \(mode 644, allowed 600\); chmod 600 /"):
        publish(keys_dir, tmp_path / "remote", b"one")


def test_a_key_file_that_is_not_there_is_said(keys_dir: Path) -> None:
    """By its path."""
    with pytest.raises(KeyFileError, match=r"^none\.pem: the private key cannot be read: No such file"):
        rotate_key(keys_dir, "timestamp", passphrase=WORD, now=NOW, key_paths=[Path("none.pem")])


def test_an_empty_folder_of_keys_says_how_to_make_some(tmp_path: Path) -> None:
    """Whatever is asked of it."""
    with pytest.raises(KeyFileError, match=r"no keys here; make some with semcache keys init, or name their folder"):
        show_keys(tmp_path)


def test_a_passphrase_is_asked_for_only_where_it_is_needed(tmp_path: Path) -> None:
    """Plain keys need none."""
    init_keys(tmp_path / "plain", config=KeysConfig(), passphrase=None, now=NOW)
    init(tmp_path / "keys")
    assert not needs_passphrase(private_paths(tmp_path / "plain"))
    assert needs_passphrase(private_paths(tmp_path / "keys"))
    assert not needs_passphrase([tmp_path / "none.pem"])
