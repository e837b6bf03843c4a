"""The commands `publish`, `pull` and `keys sign REMOTE`."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Outcome, run_module, semcache
from sharing import NAME, Sharing, numbered

ENTRIES = numbered(12)


@pytest.fixture
def sharing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sharing:
    """Give a built bundle and keys, and an empty cache folder of the user."""
    monkeypatch.setattr("semcache.settings.shared_root", lambda: tmp_path / "shared")
    monkeypatch.chdir(tmp_path)
    sharing = Sharing(tmp_path)
    sharing.build(ENTRIES)
    semcache("keys", "init", "--keys", "keys", "--no-passphrase")
    return sharing


def published(*more: str) -> Outcome:
    """Publish, signed."""
    return semcache("publish", NAME, "remote", "--root", "publisher", "--keys", "keys", *more)


@pytest.mark.usefixtures("sharing")
def test_a_bundle_goes_from_one_root_to_the_users_own() -> None:
    """The first pull shows the fingerprint that `keys show` shows; lookups find the bundle by its name."""
    fingerprint = semcache("keys", "show", "--keys", "keys", "--json").json["fingerprint"]
    first, again = published(), published()
    assert (first.code, first.out.partition(": ")[0]) == (0, "release 1 of small is at remote")
    assert (again.code, again.out.partition(": ")[0]) == (0, "release 1 of small is this version already")
    pulled = semcache("pull", "remote")
    assert (pulled.code, pulled.err.splitlines()[-1]) == (0, fingerprint)
    assert semcache("pull", "remote").err == ""
    assert semcache("lookup", NAME, ENTRIES[3]["query"], "--json").json["value"] == "answer 3 of item3"
    assert semcache("check", NAME).out == "ok: every byte is the one that was written\n"


@pytest.mark.usefixtures("sharing")
def test_a_release_that_is_renewed_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """On both sides, and in reports."""
    published()
    semcache("pull", "remote")
    monkeypatch.setattr("semcache.remote.publish.RENEWED_AFTER_S", -1)
    assert published("--dry-run").out == (
        "release 2 of small would renew the one before at remote: this version, nothing sent\n"
    )
    assert published().out == "release 2 of small renews the one before at remote: this version, nothing sent\n"
    assert semcache("pull", "remote").out.startswith("small: release 2 renews what is here, in ")
    assert semcache("pull", "remote").out.startswith("small: release 2 is here already, in ")
    assert published("--json").json["is_renewed"]
    pulled = semcache("pull", "remote", "--json").json
    assert (pulled["is_renewed"], pulled["is_new"], pulled["number"]) == (True, False, 3)


@pytest.mark.usefixtures("sharing")
def test_reports_are_json_where_asked() -> None:
    """With what was moved, and where to."""
    sent = published("--json").json
    assert (sent["number"], sent["is_new"], sent["sent_bytes"]) == (1, True, sent["size_bytes"])
    would = semcache("pull", "remote", "--root", "r", "--dry-run", "--json").json
    assert (would["is_dry_run"], would["version"], would["fetched_bytes"]) == (True, None, 0)
    got = semcache("pull", "remote", NAME, "--root", "r", "--json").json
    assert (got["name"], got["root"], got["fetched_bytes"]) == (NAME, "r", would["missing_bytes"])


@pytest.mark.usefixtures("sharing")
def test_a_root_that_is_given_is_trusted_and_no_other() -> None:
    """Without a word about first use; another publisher's is refused."""
    published()
    given = semcache("pull", "remote", "--trust-root", "keys/roots/1.root.json")
    assert (given.code, given.err) == (0, "")
    semcache("keys", "init", "--keys", "others", "--no-passphrase")
    refused = semcache("pull", "remote", "--root", "r", "--trust-root", "others/roots/1.root.json")
    assert (refused.code, refused.out, len(refused.err.splitlines())) == (1, "", 1)
    assert semcache("pull", "remote", "--trust-root", "none.json").code == 1


@pytest.mark.usefixtures("sharing")
def test_unsigned_is_taken_only_where_that_is_said() -> None:
    """With a warning on both sides, and one line where it is not."""
    sent = semcache("publish", NAME, "plain", "--root", "publisher", "--allow-unsigned")
    assert (sent.code, sent.err.endswith("/plain: unsigned; whoever can write there can change the answers\n")) == (
        0,
        True,
    )
    refused = semcache("pull", "plain")
    assert (refused.code, refused.out, "--allow-unsigned takes it as it is" in refused.err) == (1, "", True)
    taken = semcache("pull", "plain", "--allow-unsigned")
    assert (taken.code, "unsigned; whoever can write there" in taken.err) == (0, True)


@pytest.mark.usefixtures("sharing")
def test_a_signed_remote_takes_nothing_unsigned() -> None:
    """Readers would not look at it."""
    published()
    outcome = semcache("publish", NAME, "remote", "--root", "publisher", "--allow-unsigned")
    assert (outcome.code, "publish with its keys" in outcome.err) == (1, True)


@pytest.mark.usefixtures("sharing")
def test_a_remote_is_signed_anew() -> None:
    """It says what was signed, and until when each counts."""
    published()
    renewed = semcache("keys", "sign", "remote", "--keys", "keys")
    assert (renewed.code, renewed.out.splitlines()[0].endswith("/remote: signed timestamp")) == (0, True)
    assert sorted(semcache("keys", "sign", "remote", "--keys", "keys", "--json").json["expires"]) == [
        *("root", "snapshot", "targets", "timestamp"),
    ]


def test_known_errors_are_one_line(sharing: Sharing) -> None:
    """No bundle, no keys, no such kind of address: exit code 1."""
    for arguments in (
        ("publish", "nothing", "remote", "--keys", "keys"),
        ("publish", NAME, "remote", "--root", "publisher", "--keys", "nokeys"),
        ("pull", "none"),
        ("pull", "nokind://x", NAME),
    ):
        outcome = run_module(*arguments, folder=sharing.folder)
        assert (outcome.code, outcome.out, len(outcome.err.splitlines())) == (1, "", 1), outcome
