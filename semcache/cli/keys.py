"""`semcache keys init`, `rotate`, `sign` and `show`.

The library behind them needs extras and takes a third of a second to load, so each command loads it when it runs.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semcache.cli.lookup import AsJson
from semcache.cli.output import print_json, print_table
from semcache.cli.passphrase import new_passphrase, passphrase_of
from semcache.config import KeysConfig
from semcache.settings import resolve_keys_dir, resolve_root

if TYPE_CHECKING:
    from semcache.remote.keys import KeysReport
    from semcache.store.signing import Published
    from semcache.store.trust_root import RootState

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

KeysDir = Annotated[Path | None, typer.Option("--keys", help="Folder of keys. [default: ~/.config/semcache/keys]")]
KeyPaths = Annotated[
    list[Path] | None,
    typer.Option("--key", help="Private root key that is kept elsewhere; may be given several times."),
]
_DEFAULT = KeysConfig()


@app.command()
def init(
    keys: KeysDir = None,
    root_keys: Annotated[int, typer.Option(help="Keys that may change the keys.")] = _DEFAULT.root_keys,
    root_threshold: Annotated[int, typer.Option(help="How many of them it takes.")] = _DEFAULT.root_threshold,
    root_days: Annotated[int, typer.Option(help="How long the list of keys counts.")] = _DEFAULT.root_days,
    targets_days: Annotated[int, typer.Option(help="How long what is published counts.")] = _DEFAULT.targets_days,
    snapshot_days: Annotated[int, typer.Option(help="How long a snapshot counts.")] = _DEFAULT.snapshot_days,
    timestamp_days: Annotated[int, typer.Option(help="How long a timestamp counts.")] = _DEFAULT.timestamp_days,
    no_passphrase: Annotated[bool, typer.Option("--no-passphrase", help="Leave the keys unencrypted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the keys that sign a remote. The passphrase is SEMCACHE_KEYS_PASSPHRASE, or asked for."""
    from semcache.remote.keys import init_keys  # noqa: PLC0415 - see above

    config = KeysConfig(root_keys, root_threshold, root_days, targets_days, snapshot_days, timestamp_days)
    passphrase = None if no_passphrase else new_passphrase()
    report = init_keys(
        resolve_keys_dir(keys),
        config=config,
        passphrase=passphrase,
        now=datetime.now(UTC),
        away_from=[resolve_root(None)],
    )
    _print(report, as_json=as_json)


@app.command()
def rotate(
    role: Annotated[str, typer.Argument(metavar="ROLE", help="root, targets, snapshot or timestamp.")],
    keys: KeysDir = None,
    drop: Annotated[str | None, typer.Option(help="Begin of the id of the key that goes, of several.")] = None,
    same_keys: Annotated[
        bool, typer.Option("--same-keys", help="Replace no key, only let the root count from now.")
    ] = False,
    key: KeyPaths = None,
    as_json: AsJson = False,
) -> None:
    """Replace a key by a new one: lost, stolen, or old. It counts from the next publish or sign."""
    from semcache.remote.keys import private_paths, renew_root, rotate_key  # noqa: PLC0415 - see above

    keys_dir, key_paths = resolve_keys_dir(keys), key or []
    passphrase = passphrase_of(private_paths(keys_dir, key_paths))
    now = datetime.now(UTC)
    if same_keys:
        if role != "root" or drop is not None:
            raise typer.BadParameter("goes with ROLE root and without --drop", param_hint="--same-keys")
        report = renew_root(keys_dir, passphrase=passphrase, now=now, key_paths=key_paths)
    else:
        report = rotate_key(keys_dir, role, passphrase=passphrase, now=now, drop=drop, key_paths=key_paths)
    _print(report, as_json=as_json)


@app.command()
def sign(
    remote: Annotated[
        str | None, typer.Argument(metavar="[REMOTE]", help="Sign this remote's metadata anew, before it ends.")
    ] = None,
    keys: KeysDir = None,
    key: KeyPaths = None,
    as_json: AsJson = False,
) -> None:
    """Sign what a remote offers anew; without REMOTE, add this holder's signature to a new root that takes several."""
    from semcache.remote.keys import private_paths, publisher_of, sign_pending  # noqa: PLC0415 - see above
    from semcache.store.objects import ObjectStore  # noqa: PLC0415

    keys_dir, key_paths = resolve_keys_dir(keys), key or []
    passphrase = passphrase_of(private_paths(keys_dir, key_paths))
    if remote is None:
        _print(sign_pending(keys_dir, passphrase=passphrase, key_paths=key_paths), as_json=as_json)
        return
    store = ObjectStore.open(remote)
    publisher = publisher_of(store, keys_dir, url=store.url, passphrase=passphrase, key_paths=key_paths)
    _print_renewed(publisher.renew(now=datetime.now(UTC)), store.url, as_json=as_json)


@app.command()
def show(keys: KeysDir = None, as_json: AsJson = False) -> None:
    """Show which keys count, which are at hand, and when they expire."""
    from semcache.remote.keys import show_keys  # noqa: PLC0415 - see above

    _print(show_keys(resolve_keys_dir(keys)), as_json=as_json)


def _print(report: KeysReport, *, as_json: bool) -> None:
    if as_json:
        print_json(_document(report))
        return
    typer.secho(f"keys        {report.path}", bold=True)
    typer.echo(f"fingerprint {report.fingerprint}")
    typer.echo(f"root        version {report.root.version}, expires {report.root.expires:%Y-%m-%d}")
    rows = [row for role in report.root.key_ids for row in _rows(report, role)]
    print_table(("role", "takes", "counts for", "key", "private key"), rows, align="<><<<")
    if report.pending is not None:
        _print_pending(report.pending)
    for path in report.made:
        typer.echo(f"made        {path}")
    if any(path.name.startswith("root-") for path in report.made):
        typer.secho(
            "Move the private root keys to a place that is not online (and keep a copy): they are needed to rotate "
            "keys only.",
            fg="yellow",
        )


def _print_renewed(renewed: Published, url: str, *, as_json: bool) -> None:
    if as_json:
        print_json({**asdict(renewed), "remote": url})
        return
    typer.echo(f"{url}: signed {', '.join(renewed.roles)}")
    rows = [(role, f"{end:%Y-%m-%d %H:%M} UTC") for role, end in renewed.expires.items()]
    print_table(("role", "expires"), rows, align="<<")


def _rows(report: KeysReport, role: str) -> list[tuple[str, ...]]:
    root = report.root
    at_hand = {path.stem.rpartition("-")[2]: f"private/{path.name}" for path in report.private[role]}
    return [
        (
            role,
            f"{root.thresholds[role]} of {len(root.key_ids[role])}",
            f"{root.days[role]} days",
            key_id[:8],
            at_hand.get(key_id[:8], "not here"),
        )
        for key_id in root.key_ids[role]
    ]


def _print_pending(pending: RootState) -> None:
    typer.secho(
        f"pending     version {pending.version} takes {pending.n_missing} more signature"
        f"{'' if pending.n_missing == 1 else 's'}, by {', '.join(key_id[:8] for key_id in pending.may_sign)}; give "
        "their holders this folder without private/, and have them run semcache keys sign",
        fg="yellow",
    )


def _document(report: KeysReport) -> dict[str, Any]:
    return {**asdict(report), "path": str(report.path)}
