"""`semcache publish`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semcache.cli.keys import KeyPaths, KeysDir
from semcache.cli.lookup import AsJson, Name, Root
from semcache.cli.output import print_json
from semcache.cli.passphrase import passphrase_of
from semcache.cli.progress import byte_bar
from semcache.core.sizes import size_text
from semcache.settings import resolve_keys_dir, resolve_root

if TYPE_CHECKING:
    from semcache.remote.offers import OwnOffers
    from semcache.remote.publish import PublishReport
    from semcache.store.objects import ObjectStore

Remote = Annotated[
    str, typer.Argument(metavar="REMOTE", help="A folder, or an address: s3://, gs://, hf://, http:// (to read).")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be moved, move nothing.")]


def publish(
    name: Name,
    remote: Remote,
    root: Root = None,
    keys: KeysDir = None,
    key: KeyPaths = None,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Sign nothing: whoever can write there can change the answers.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Publish a bundle's live version: upload what the remote lacks, then offer it, signed."""
    from semcache.remote.publish import publish as publish_bundle  # noqa: PLC0415 - takes a third of a second
    from semcache.store.objects import ObjectStore  # noqa: PLC0415

    store = ObjectStore.open(remote)
    offers = offers_to(store, resolve_keys_dir(keys), key or [], allow_unsigned=allow_unsigned)
    with byte_bar("sending") as progress:
        report = publish_bundle(name, store, offers, root=resolve_root(root), dry_run=dry_run, progress=progress)
    if as_json:
        print_json({**asdict(report), "remote": store.url, "is_dry_run": dry_run})
    else:
        typer.echo(published_text(report, name, remote, dry_run=dry_run))


def offers_to(store: ObjectStore, keys_dir: Path, key_paths: list[Path], *, allow_unsigned: bool) -> OwnOffers:
    """Return what a remote offers, for its publisher: the private keys are read, a person may be asked."""
    return _unsigned(store) if allow_unsigned else _signing(store, keys_dir, key_paths)


def _signing(store: ObjectStore, keys_dir: Path, key_paths: list[Path]) -> OwnOffers:
    from semcache.remote.keys import private_paths, publisher_of  # noqa: PLC0415
    from semcache.remote.offers import SigningOffers  # noqa: PLC0415

    passphrase = passphrase_of(private_paths(keys_dir, key_paths))
    publisher = publisher_of(store, keys_dir, url=store.url, passphrase=passphrase, key_paths=key_paths)
    return SigningOffers(store, publisher)


def _unsigned(store: ObjectStore) -> OwnOffers:
    from semcache.remote.offers import unsigned_offers  # noqa: PLC0415

    warn_unsigned(store.url)
    return unsigned_offers(store)


def warn_unsigned(url: str) -> None:
    """Say that nothing vouches for a remote."""
    typer.secho(f"{url}: unsigned; whoever can write there can change the answers", fg="yellow", err=True)


def published_text(report: PublishReport, name: str, remote: str, *, dry_run: bool = False) -> str:
    """Return what was published, in one line."""
    size = size_text(report.size_bytes)
    if report.is_renewed:
        verb = "would renew" if dry_run else "renews"
        return f"release {report.number} of {name} {verb} the one before at {remote}: this version, nothing sent"
    if not report.is_new:
        return f"release {report.number} of {name} is this version already: {size}, nothing sent to {remote}"
    if dry_run:
        return f"release {report.number} of {name} would be new: {size_text(report.new_bytes)} new of {size}"
    return (
        f"release {report.number} of {name} is at {remote}: {size}, of which {size_text(report.new_bytes)} "
        f"are new to readers; {size_text(report.sent_bytes)} sent"
    )
