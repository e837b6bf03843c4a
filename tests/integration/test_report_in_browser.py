"""The HTML report in a real browser: it renders, light and dark, runs nothing and fetches nothing."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from evaluating import HOSTILE, lively
from matplotlib.image import imread

from semcache.cli.report_html import html_report

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs a browser: apt-get install chromium")
TIMEOUT_S = 120
OWN_HOSTS = re.compile(
    r"^(file|data|chrome|about|devtools):|^https?://([a-z0-9.]+\.)?(google|googleapis|gstatic)\.com/"
)
"""What the browser asks for by itself, whatever the page is."""
LIGHT, DARK, SIZE = (0xF6, 0xF7, 0xF9), (0x11, 0x15, 0x1A), (1240, 900)


@dataclass(frozen=True)
class Visit:
    """What a page did: its document once rendered, its picture, what it logged and what it asked for."""

    document: str
    image: bytes
    console: list[str]
    requested: set[str]

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """Return a pixel of the picture."""
        red, green, blue = (round(float(value) * 255) for value in imread(io.BytesIO(self.image))[y, x, :3])
        return red, green, blue

    def n_colours(self) -> int:
        """Count the colours of the picture."""
        image = imread(io.BytesIO(self.image))
        return len({tuple(pixel) for pixel in image.reshape(-1, image.shape[-1])[::7].tolist()})


def run(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Open a page in a browser of its own, without a window and without a network."""
    assert BROWSER is not None
    command = [
        *(BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
        *(f"--user-data-dir={page.parent / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND"),
        *("--enable-logging=stderr", f"--window-size={SIZE[0]},{SIZE[1]}", *options, page.as_uri()),
    ]
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=TIMEOUT_S)


def visit(html: str, folder: Path, *, dark: bool = False) -> Visit:
    """Show a page."""
    page, log, picture = folder / "page.html", folder / "net.json", folder / "page.png"
    page.write_text(html, encoding="utf-8")
    scheme = ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []
    told = run(page, f"--log-net-log={log}", "--dump-dom", *scheme)
    run(page, f"--screenshot={picture}", *scheme)
    urls = set(re.findall(r'"url":"([^"]+)"', log.read_text("utf-8")))
    return Visit(
        document=told.stdout,
        image=picture.read_bytes(),
        console=[line for line in told.stderr.splitlines() if ":CONSOLE:" in line],
        requested={url for url in urls if not OWN_HOSTS.match(url)},
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_report_renders_without_a_word_and_without_a_request(tmp_path: Path, dark: bool) -> None:  # noqa: FBT001 - the value under test
    """In the colours that the reader prefers."""
    found = visit(html_report(lively(text=HOSTILE)), tmp_path, dark=dark)
    assert (found.console, found.requested) == ([], set())
    assert found.pixel(2, 2) == (DARK if dark else LIGHT)
    assert found.n_colours() > 50
    assert "<h2>Coverage and error</h2>" in found.document
    assert "<script" not in found.document
    assert "<img" not in found.document


def test_a_page_that_does_more_is_found_out(tmp_path: Path) -> None:
    """What the test above rests on: an error and a request of a page are seen."""
    html = '<!doctype html><body><img src="https://example.invalid/x.png"><script>undefined_function()</script>'
    found = visit(html, tmp_path)
    assert len(found.console) >= 1
    assert "undefined_function" in found.console[0]
    assert found.requested == {"https://example.invalid/x.png"}


def test_the_policy_of_the_page_stops_what_escaping_would_miss(tmp_path: Path) -> None:
    """The second lock: markup that did get in runs nothing and fetches nothing."""
    html = html_report(lively(100)).replace(
        "</main>", HOSTILE.split("\u202e")[0] + "<script>document.title='!'</script></main>"
    )
    found = visit(html, tmp_path)
    assert found.requested == set()
    assert "<title>Evaluation of demo</title>" in found.document
