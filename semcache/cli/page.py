"""What the pages that the program writes have in common: one HTML file, no script, nothing fetched.

Every text comes from queries and corpora, so each one is escaped; a policy in the page forbids everything else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from semcache.cli.output import printable
from semcache.errors import StorageError

_SEPARATOR = re.compile(r"[-_/.]+")
_STYLE = """
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#5c6875;--rule:#e1e5ea;--blue:#2463c9;
--band:#2463c92b;--good:#1a7f53;--bad:#c4372d;--warn:#9a6200;--bar:#c9d3df}
@media (prefers-color-scheme:dark){:root{--page:#11151a;--card:#1a2027;--ink:#e6eaef;--soft:#9aa6b2;--rule:#2c343d;
--blue:#7fb0ff;--band:#7fb0ff30;--good:#5fcf9c;--bad:#ff8177;--warn:#e8b04f;--bar:#3d4956}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1180px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:26px;line-height:1.2;margin:0}h2{font-size:17px;margin:0 0 4px}
p{margin:0}.soft{color:var(--soft);font-size:13px}.lead{font-size:17px;margin:14px 0 24px;max-width:76ch}
.grid{display:grid;gap:16px;margin-bottom:16px}.tiles{grid-template-columns:repeat(auto-fit,minmax(138px,1fr))}
.charts{grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr))}
.card{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:18px 20px;min-width:0}
.tile{padding:14px 16px}
.tile b{display:block;font-size:26px;line-height:1.25;font-weight:650;font-variant-numeric:tabular-nums}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.narrow table{max-width:420px}tr.parted td{border-bottom:2px solid var(--soft)}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;margin-top:8px}
th{font-size:12px;font-weight:600;color:var(--soft);text-align:left;white-space:nowrap}
td:first-child{white-space:nowrap}td.text{white-space:normal}
th,td{padding:7px 14px 7px 0;border-bottom:1px solid var(--rule);vertical-align:top}
tbody tr:last-child td{border-bottom:0}.num{text-align:right;white-space:nowrap}
.text,.id{overflow-wrap:anywhere;min-width:150px}.id{min-width:170px;font:12.5px/1.5 ui-monospace,monospace}
tr.shown td{background:color-mix(in srgb,var(--blue) 9%,transparent)}
details summary{cursor:pointer;color:var(--soft);font-size:13px;white-space:nowrap}
dl{display:grid;grid-template-columns:auto auto;gap:0 12px;margin:4px 0 0;font-size:12.5px}dd{margin:0;text-align:right}
.chart{display:block;width:100%;height:auto;margin-top:10px}.mini{vertical-align:middle}
.chart text{font:12px system-ui,sans-serif;fill:var(--soft)}.chart .axis{font-size:12.5px}.chart .label{fill:var(--ink)}
.chart path{fill:none}.chart .grid{stroke:var(--rule)}.chart .band{fill:var(--band)}
.chart .line{stroke:var(--blue);stroke-width:2.2;stroke-linejoin:round}.chart .thin{stroke-width:1.4}
.chart .stem{stroke:var(--blue);stroke-width:1.4;stroke-dasharray:3 3}
.chart .level{stroke:var(--soft);stroke-dasharray:2 4}.chart .ideal{stroke:var(--soft);stroke-dasharray:5 4}
.chart .dot{fill:var(--blue);stroke:var(--card);stroke-width:1.5}.chart .over{fill:var(--warn)}
.chart .broken{fill:var(--bad)}.bar{fill:var(--bar)}
.rest{fill:var(--rule)}.right{fill:var(--good)}.wrong{fill:var(--bad)}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(title: str, body: str) -> str:
    """Return a page of its own.

    Args:
        title: plain text.
        body: markup.
    """
    body = body.replace(" %", "\u00a0%")  # a number and its sign stay on one line
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{text_of(title)}</title><style>{_STYLE}</style></head><body><main>{body}</main></body></html>\n"
    )


def text_of(text: object) -> str:
    """Make any text harmless: unprintable characters spelled out, markup escaped."""
    return escape(printable(str(text)))


def id_of(name: object) -> str:
    """Return an id that may break after its separators, not in the middle of a word."""
    return _SEPARATOR.sub(r"\g<0><wbr>", text_of(name))


def tile(name: str, value: str, note: str, mood: str = "") -> str:
    """Return a large number with its name over it and a note under it."""
    head = f'<div class="card tile"><span class="soft">{escape(name)}</span>'
    return f'{head}<b class="{mood}">{escape(value)}</b><span class="soft">{escape(note)}</span></div>'


def card(title: str, note: str, content: str, more: str = "") -> str:
    """Return a card: a title, a note in small letters, and markup."""
    return f'<div class="card {more}"><h2>{escape(title)}</h2><p class="soft">{escape(note)}</p>{content}</div>'


def table(head: Sequence[str], rows: Iterable[str]) -> str:
    """Return a table; a head that begins with # is over numbers."""
    cells = (f'<th class="num">{escape(h[1:])}</th>' if h[:1] == "#" else f"<th>{escape(h)}</th>" for h in head)
    inner = f"<thead><tr>{''.join(cells)}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="scroll"><table>{inner}</table></div>'


def number(value: str, mood: str = "") -> str:
    """Return a cell of a table that holds a number."""
    return f'<td class="num {mood}">{escape(value)}</td>'


def check_place(path: Path | None) -> None:
    """Say that a file cannot be written there before the work is done that it would show.

    Raises:
        StorageError: its folder is not there, or it is a folder.
    """
    if path is None:
        return
    if path.is_dir():
        raise StorageError(path, "is a folder; give the name of a file")
    if not path.absolute().parent.is_dir():
        raise StorageError(path, "its folder is not there; make it, and run the command again")


def write_page(path: Path, content: str) -> None:
    """Write a page.

    Raises:
        StorageError: the system refuses.
    """
    try:
        path.write_text(content, "utf-8")
    except OSError as error:
        raise StorageError.from_os_error(path, error) from error
