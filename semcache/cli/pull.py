"""`semcache pull`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semcache.cli.lookup import AsJson
from semcache.cli.output import print_json, printable
from semcache.cli.progress import byte_bar
from semcache.cli.publish import DryRun, Remote, warn_unsigned
from semcache.core.sizes import size_text
from semcache.errors import StorageError
from semcache.settings import resolve_pull_root

if TYPE_CHECKING:
    from semcache.remote.offers import Offers
    from semcache.remote.pull import PullReport
    from semcache.store.objects import ObjectStore
    from semcache.store.trust import Anchor


def pull(
    remote: Remote,
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Name of the bundle; left out where there is one only.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="Folder of bundles. [default: the user's cache folder, for all projects]")
    ] = None,
    trust_root: Annotated[
        Path | None, typer.Option(help="Root metadata to trust, as its publisher gave it to you (1.root.json).")
    ] = None,
    allow_unsigned: Annotated[
        bool, typer.Option("--allow-unsigned", help="Take what nobody signed, where the remote never was signed.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Pull a bundle: fetch what is missing here, build it, check it, and make it the live version."""
    from semcache.remote.offers import only_name  # noqa: PLC0415 - takes a third of a second
    from semcache.remote.pull import pull as pull_bundle  # noqa: PLC0415
    from semcache.store.objects import ObjectStore  # noqa: PLC0415

    store, folder = ObjectStore.open(remote), resolve_pull_root(root)
    offers = _offers(store, folder, trust_root, allow_unsigned=allow_unsigned)
    chosen = only_name(offers, url=store.url) if name is None else name
    with byte_bar("fetching") as progress:
        report = pull_bundle(chosen, store, offers, root=folder, dry_run=dry_run, progress=progress)
    if as_json:
        print_json({**asdict(report), "name": chosen, "root": str(folder), "remote": store.url, "is_dry_run": dry_run})
    else:
        _print(report, chosen, folder, dry_run=dry_run)


def _offers(store: ObjectStore, root: Path, trust_root: Path | None, *, allow_unsigned: bool) -> Offers:
    from semcache.bundle.layout import trust_dir  # noqa: PLC0415
    from semcache.remote.offers import UnsignedOffers, reading_offers  # noqa: PLC0415

    offers = reading_offers(
        store,
        metadata_dir=trust_dir(root, store.url),
        root=None if trust_root is None else _read(trust_root),
        allow_unsigned=allow_unsigned,
        on_first_use=lambda anchor: _show_first_use(store.url, anchor),
    )
    if isinstance(offers, UnsignedOffers):
        warn_unsigned(store.url)
    return offers


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error


def _show_first_use(url: str, anchor: Anchor) -> None:
    typer.secho(
        f"{url}: trusted from now on, at first use; compare the fingerprint of its root with its publisher's:\n"
        f"{anchor.fingerprint}",
        fg="yellow",
        err=True,
    )


def _print(report: PullReport, name: str, root: Path, *, dry_run: bool) -> None:
    size, shown = size_text(report.size_bytes), printable(name)
    if report.is_renewed:
        typer.echo(f"{shown}: release {report.number} renews what is here, in {root}; nothing fetched")
    elif not report.is_new:
        typer.echo(f"{shown}: release {report.number} is here already, in {root}; nothing fetched")
    elif dry_run:
        typer.echo(f"{shown}: release {report.number} is new: {size_text(report.missing_bytes)} of {size} to fetch")
    else:
        typer.echo(
            f"{shown}: release {report.number} is live in {root}: {size_text(report.fetched_bytes)} of {size} fetched"
        )
