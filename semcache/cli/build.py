"""`semcache build`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from semcache.build.fit import TrafficUse
from semcache.build.pipeline import BuildReport, build_bundle
from semcache.cli.evaluate import read_labelled
from semcache.cli.output import print_certificates, print_json, printable
from semcache.cli.progress import progress_bar
from semcache.errors import ConfigError
from semcache.settings import resolve_build, resolve_root


class Augment(StrEnum):
    """Generated variants that can be asked for."""

    NONE = "none"
    SIDECAR = "sidecar"
    RULES = "rules"


class Index(StrEnum):
    """Kinds of index that can be asked for."""

    AUTO = "auto"
    FLAT = "flat"
    IVF = "ivf"
    HNSW = "hnsw"


def build(
    corpora: Annotated[list[Path], typer.Argument(metavar="CORPUS...", help="Corpus files (JSONL).")],
    name: Annotated[str, typer.Option(help="Name of the bundle.")],
    root: Annotated[Path | None, typer.Option(help="Folder of bundles. [default: indexes]")] = None,
    model: Annotated[
        str | None, typer.Option(help="Model name, folder, or package:NAME. [default: all-MiniLM-L6-v2]")
    ] = None,
    tune: Annotated[
        bool, typer.Option("--tune", help="Fine-tune the model on the corpus: minutes, and an encoder of its own.")
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Of every random choice. [default: 0]")] = None,
    index: Annotated[Index | None, typer.Option(help="Kind of index. [default: auto]")] = None,
    max_error: Annotated[
        float | None, typer.Option(help="Error promised to callers who name none: .005 .01 .02 .05 .1 [default: 0.02]")
    ] = None,
    traffic: Annotated[
        list[Path] | None, typer.Option(help="Labelled queries (JSONL), a sample of those to come; several times.")
    ] = None,
    outside_share: Annotated[
        float | None, typer.Option(help="Share of certifying queries without a right answer. [default: 0.4]")
    ] = None,
    min_recall_at_1: Annotated[float | None, typer.Option(help="The build fails below. [default: 0.99]")] = None,
    min_recall_at_10: Annotated[float | None, typer.Option(help="The build fails below. [default: 0.98]")] = None,
    augment: Annotated[
        Augment | None,
        typer.Option(
            help="Generated variants: none, those kept beside the corpus, or also by rule. [default: sidecar]"
        ),
    ] = None,
    n_rules: Annotated[
        int | None, typer.Option("--rules-per-entry", help="With --augment rules, at most. [default: 4]")
    ] = None,
    n_workers: Annotated[
        int | None, typer.Option("--workers", help="Threads that embed, and that train. [default: one a core]")
    ] = None,
    compress: Annotated[bool, typer.Option("--compress", help="Compress values: smaller, not zero-copy.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Follow no earlier version: number all rows anew, learn the adapter anew.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Build a bundle from corpus files and make it the live version."""
    config = resolve_build(
        {
            "model": model,
            "tune": tune or None,
            "seed": seed,
            "index": None if index is None else index.value,
            "max_error": max_error,
            "outside_share": outside_share,
            "min_recall_at_1": min_recall_at_1,
            "min_recall_at_10": min_recall_at_10,
            "augment": None if augment is None else augment.value,
            "n_rules": n_rules,
            "n_workers": n_workers,
            "compress": compress or None,
            "fresh": fresh or None,
        }
    )
    labelled = read_labelled(traffic or [])
    if traffic and not labelled:
        raise ConfigError("traffic: found none, allowed 1 or more labelled queries")
    with progress_bar() as progress:
        report = build_bundle(
            corpora, name=name, root=resolve_root(root), config=config, traffic=labelled, progress=progress
        )
    _print_report(report, as_json=as_json)


def _print_report(report: BuildReport, *, as_json: bool) -> None:
    counts, index, certificates = report.manifest.counts, report.manifest.index, report.manifest.decision.certificates
    if as_json:
        print_json(
            {
                "id": report.id,
                "path": str(report.path),
                "is_new": report.is_new,
                "n_duplicates": report.n_duplicates,
                "n_rejects": report.n_rejects,
                "generated": report.generated,
                "seconds": report.seconds,
                "counts": {name: getattr(counts, name) for name in type(counts).__dataclass_fields__},
                "index": {name: getattr(index, name) for name in type(index).__dataclass_fields__},
                "certificates": [asdict(certificate) for certificate in certificates],
                "traffic": None if report.traffic is None else asdict(report.traffic),
                "unknown": report.unknown,
            }
        )
        return
    state = "built" if report.is_new else "unchanged"
    typer.secho(f"{state}  {report.manifest.name}  {report.id}", fg="green", bold=True)
    typer.echo(f"       {counts.entries:,} entries, {counts.rows:,} rows ({counts.guards:,} guards), {report.path}")
    if report.generated:
        typer.echo("       generated: " + ", ".join(f"{n:,} {what}" for what, n in report.generated.items()))
    typer.echo(f"       {index.kind} index, recall@1 {index.recall_at_1:.4f}, recall@10 {index.recall_at_10:.4f}")
    if counts.unindexed:
        typer.echo(
            f"       {counts.unindexed:,} texts are too long or hold a word unknown to the encoder: exact hits only"
        )
    typer.echo("       " + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in report.seconds.items()))
    typer.echo()
    print_certificates(certificates)
    if report.traffic is not None:
        source_of = {certificate.namespace: certificate.calibration.source for certificate in certificates}
        _print_traffic(report.traffic, source_of, report.unknown)


def _print_traffic(traffic: TrafficUse, source_of: Mapping[str, str], unknown: Sequence[str]) -> None:
    """Say what became of labelled traffic, and what it lacks."""
    if traffic.n_to_fit < traffic.n_to_fit_needed:
        typer.echo(f"traffic: {traffic.n_to_fit:,} queries to learn from, {traffic.n_to_fit_needed:,} needed")
    else:
        typer.echo(f"traffic: {traffic.n_to_fit:,} queries to learn from")
    for namespace, n in traffic.n_certifying.items():
        lacks = f", {traffic.n_needed:,} needed: {source_of[namespace]} ones certify it" if n < traffic.n_needed else ""
        typer.echo(f"traffic: {n:,} queries to certify {printable(namespace)}{lacks}")
    if unknown:
        n, first = len(unknown), printable(unknown[0])
        what = f"1 label names nothing in the corpus: {first}" if n == 1 else f"{n:,} labels name nothing: {first}, ..."
        typer.secho(f"traffic: {what}", fg="yellow")
