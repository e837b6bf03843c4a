"""`semcache augment`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from tqdm import tqdm

from semcache.build.augment import AugmentReport, Progress, augment_corpora, plan_augment
from semcache.build.encoders import ensure_encoder
from semcache.build.llm_http import ChatClient
from semcache.cli.errors import EXIT_INTERRUPTED
from semcache.cli.lookup import AsJson, Root
from semcache.cli.output import print_json
from semcache.config import AugmentConfig, LlmConfig
from semcache.embed.base import Embedder
from semcache.embed.registry import load_embedder
from semcache.settings import resolve_build, resolve_llm, resolve_root
from semcache.store.fsio import FileSystem

_PER_MILLION = 1e6


def augment(
    corpora: Annotated[list[Path], typer.Argument(metavar="CORPUS...", help="Corpus files (JSONL).")],
    rules: Annotated[bool, typer.Option(help="Make variants by rule.")] = False,
    llm: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Have this model write variants. [default: SEMCACHE_LLM_MODEL]")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="OpenAI-compatible endpoint. [default: SEMCACHE_LLM_BASE_URL]")
    ] = None,
    api_key_env: Annotated[
        str | None, typer.Option(help="Variable that holds the key. [default: SEMCACHE_LLM_API_KEY]")
    ] = None,
    per_entry: Annotated[int, typer.Option(help="Most variants of each source an entry.")] = 8,
    guards: Annotated[
        bool, typer.Option("--guards", help="Keep what is nearer to another answer, as a guard.")
    ] = False,
    facts: Annotated[bool, typer.Option(help="Drop what differs in a number, a name, negation and the like.")] = True,
    concurrency: Annotated[int, typer.Option(help="Requests at a time.")] = 4,
    entries_per_request: Annotated[int, typer.Option(help="Entries one request asks about.")] = 8,
    timeout: Annotated[float, typer.Option(help="Seconds for one attempt.")] = 120.0,
    retries: Annotated[int, typer.Option(help="Further attempts of a request.")] = 6,
    price_in: Annotated[float, typer.Option(help="USD a million tokens sent.", min=0)] = 0.0,
    price_out: Annotated[float, typer.Option(help="USD a million tokens received.", min=0)] = 0.0,
    model: Annotated[str | None, typer.Option(help="Encoder, as in build. [default: all-MiniLM-L6-v2]")] = None,
    seed: Annotated[int | None, typer.Option(help="Of every random choice. [default: 0]")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; send and write nothing.")] = False,
    root: Root = None,
    as_json: AsJson = False,
) -> None:
    """Generate variants of every entry into CORPUS.augmented.jsonl, from where `build` takes them."""
    build = resolve_build({"model": model, "seed": seed})
    config = AugmentConfig(per_entry=per_entry, rules=rules, guards=guards, facts=facts, seed=build.seed)
    arguments = {
        "model": llm,
        "base_url": base_url,
        "concurrency": concurrency,
        "entries_per_request": entries_per_request,
        "timeout_s": timeout,
        "n_retries": retries,
    }
    asked = resolve_llm(arguments, api_key_env=api_key_env)
    prices = (price_in / _PER_MILLION, price_out / _PER_MILLION)
    if dry_run:
        _print_plan(plan_augment(corpora, config, llm=asked), prices, as_json=as_json)
        return
    client = None if asked is None else ChatClient(asked, seed=build.seed)
    embedder = load_embedder(ensure_encoder(FileSystem(), resolve_root(root), build.model))
    try:
        report = _run(corpora, config, embedder, asked, client, n_workers=build.n_workers)
    except KeyboardInterrupt:
        typer.echo("interrupted; every answer that had come is kept, run the command again to go on", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None
    _print_report(report, client, prices, as_json=as_json)


def _run(
    corpora: list[Path],
    config: AugmentConfig,
    embedder: Embedder,
    llm: LlmConfig | None,
    client: ChatClient | None,
    *,
    n_workers: int,
) -> AugmentReport:
    with _progress_bar() as progress:
        if client is None:
            return augment_corpora(corpora, config, embedder=embedder, n_workers=n_workers, progress=progress)
        with closing(client):
            return augment_corpora(
                corpora, config, embedder=embedder, asker=client, llm=llm, n_workers=n_workers, progress=progress
            )


@contextmanager
def _progress_bar() -> Iterator[Progress]:
    """Show stages on stderr; silent when it is not a terminal."""
    with tqdm(disable=None, leave=False, dynamic_ncols=True) as bar:

        def progress(stage: str, done: int, total: int) -> None:
            bar.set_description_str(f"{stage:<7}", refresh=False)
            bar.total, bar.n = total, done
            bar.refresh()

        yield progress


def _print_plan(report: AugmentReport, prices: tuple[float, float], *, as_json: bool) -> None:
    asked = report.asked
    cost = asked.tokens_in * prices[0] + asked.tokens_out * prices[1]
    n_rules = report.counts["rule"]["candidates"] if "rule" in report.counts else 0
    if as_json:
        llm = {
            "n_entries": asked.n_entries,
            "n_requests": asked.n_answers,
            "tokens_in": asked.tokens_in,
            "tokens_out": asked.tokens_out,
            "cost_usd": round(cost, 6),
        }
        print_json({"dry_run": True, "n_entries": report.n_entries, "rule_candidates": n_rules, "llm": llm})
        return
    typer.echo(f"{report.n_entries:,} entries, up to {n_rules:,} variants by rule before the filters")
    if asked.n_entries:
        typer.echo(
            f"the model would be asked about {asked.n_entries:,} entries in {asked.n_answers:,} requests: about "
            f"{asked.tokens_in:,} tokens out and {asked.tokens_out:,} back, {cost:.2f} USD"
        )


def _print_report(
    report: AugmentReport, client: ChatClient | None, prices: tuple[float, float], *, as_json: bool
) -> None:
    cost = report.asked.tokens_in * prices[0] + report.asked.tokens_out * prices[1]
    paid = report.tokens_in_paid * prices[0] + report.tokens_out_paid * prices[1]
    if as_json:
        print_json(_document(report, client, cost, paid))
        return
    for path in report.sidecars:
        typer.secho(f"wrote  {path}", fg="green", bold=True)
    for source, counts in sorted(report.counts.items()):
        typer.echo(f"       {source:<5} " + ", ".join(f"{n:,} {status}" for status, n in counts.most_common()))
    if report.n_stale:
        typer.echo(f"       {report.n_stale:,} stale: their entries changed or are gone")
    if client is not None:
        asked = report.asked
        typer.echo(
            f"       asked about {asked.n_entries:,} entries in {client.n_requests:,} requests ({client.n_retries:,} "
            f"of them again), {asked.n_given:,} texts given, {asked.n_short:,} entries got too few"
        )
        typer.echo(f"       {asked.tokens_in:,} + {asked.tokens_out:,} tokens, {cost:.4f} USD in this run")
        typer.echo(f"       {report.tokens_in_paid:,} + {report.tokens_out_paid:,} tokens, {paid:.4f} USD in all runs")


def _document(report: AugmentReport, client: ChatClient | None, cost: float, paid: float) -> dict[str, Any]:
    return {
        "sidecars": [str(path) for path in report.sidecars],
        "n_entries": report.n_entries,
        "counts": {source: dict(counts) for source, counts in report.counts.items()},
        "n_stale": report.n_stale,
        "llm": None
        if client is None
        else {
            **asdict(report.asked),
            "n_requests": client.n_requests,
            "n_retries": client.n_retries,
            "cost_usd": round(cost, 6),
            "tokens_in_paid": report.tokens_in_paid,
            "tokens_out_paid": report.tokens_out_paid,
            "cost_usd_paid": round(paid, 6),
        },
    }
