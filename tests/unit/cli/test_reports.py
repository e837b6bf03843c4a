from __future__ import annotations

import re
import struct
from collections import Counter
from html.parser import HTMLParser

import orjson
import pytest
from evaluating import CALIBRATION, HOSTILE, PROMISES, exact, lively, measured, nothing, query, semantic

from semcache.cli.charts import CurvePoint, Mark, curve_chart, curve_top, level_name, percent
from semcache.cli.evaluation import curve_points, evaluation_document, print_evaluation, summary
from semcache.cli.report_html import html_report
from semcache.cli.report_png import png_report
from semcache.core.certificate import Certificate
from semcache.lookup.candidates import Candidate
from semcache.lookup.evaluate import Evaluation
from semcache.types import Kind

NO_CANDIDATE = measured([(query(None), nothing())], promises=())
FETCHING = {"script", "img", "iframe", "object", "embed", "link", "audio", "video", "source", "image", "use", "base"}


class Page(HTMLParser):
    """Notes every element, attribute and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: Counter[str] = Counter()
        self.texts: list[str] = []
        self.open: list[str] = []
        self._is_joined = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements[tag] += 1
        self.attributes.update(name for name, _ in attrs)
        self._is_joined = tag == "wbr"
        if tag not in {"meta", "wbr"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that closes itself."""
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Hold it to what is open."""
        self._is_joined = False
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note a text; one that may be broken is one text all the same."""
        if self._is_joined:
            data = self.texts.pop() + data
        self._is_joined = False
        self.texts.append(data)


def hostile() -> Evaluation:
    """Put a hostile text wherever a text can stand."""
    candidate = Candidate("a", HOSTILE, "web", Kind.SEMANTIC, 0.99, 0.5, {HOSTILE: 0.5}, None)
    pairs = [(query(HOSTILE, HOSTILE, kind=HOSTILE), candidate), (query(None, HOSTILE, group=HOSTILE), candidate)]
    return measured(pairs, name=HOSTILE)


@pytest.mark.parametrize("evaluation", [lively(), NO_CANDIDATE, hostile()], ids=["lively", "no candidate", "hostile"])
def test_the_page_is_well_formed_and_fetches_nothing(evaluation: Evaluation) -> None:
    """Every element is closed in its turn; no script, no image, no link, no handler, no address."""
    html = html_report(evaluation)
    page = Page(html)
    assert page.open == []
    assert FETCHING & set(page.elements) == set()
    assert [name for name in page.attributes if name.startswith("on") or name in {"src", "href", "srcset"}] == []
    assert "url(" not in html.replace("url(#plot)", "")
    assert "default-src &#x27;none&#x27;" in html


def test_hostile_texts_are_shown_as_texts() -> None:
    """Markup is spelled out, and so are characters that turn the writing around or drive a terminal."""
    page = Page(html_report(hostile()))
    shown = HOSTILE.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b")
    assert page.texts.count(shown) >= 6
    assert not any("\u202e" in text or "\x1b" in text for text in page.texts)


def test_an_id_breaks_after_its_separators() -> None:
    """Not in the middle of a word, as a narrow column would have it."""
    found = measured([(query("web/reset-pass_word"), semantic("c", 0.99))])
    assert "web/<wbr>reset-<wbr>pass_<wbr>word</td>" in html_report(found)


def test_what_must_miss_has_no_interval(capsys: pytest.CaptureFixture[str]) -> None:
    """Each of its hits is wrong, however few there are: nothing is left to be estimated."""
    found = measured([(query("a", kind="in"), semantic("a", 0.9)), (query(None, kind="out"), semantic("c", 0.9))])
    print_evaluation(found)
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert lines["out"] == ["out", "1", "100", "%", "0", "%", "100", "%", "-"]
    assert lines["in"][-5:] == ["0", "%", "to", "97.5", "%"]
    assert "Every hit on a query that nothing answers is wrong" in html_report(found)


def test_the_page_holds_what_it_is_for() -> None:
    """The summary, both charts, a row for each level, slice and false hit."""
    evaluation = lively()
    page = Page(html_report(evaluation))
    rows = len(evaluation.levels) + len(evaluation.kinds) + len(evaluation.slices) + len(evaluation.misses)
    assert page.elements["tr"] == rows + len(evaluation.false_hits) + 4
    assert page.elements["details"] == len(evaluation.false_hits)
    assert summary(evaluation).replace(" %", "\u00a0%") in page.texts
    assert page.elements["svg"] == 2 + len(evaluation.levels) + len(evaluation.kinds) + len(evaluation.slices)


def test_a_curve_stays_in_its_frame() -> None:
    """Every coordinate of the charts is a number within the drawing, but for what is clipped."""
    html = html_report(lively())
    numbers = [float(number) for path in re.findall(r' d="([^"]+)"', html) for number in re.findall(r"-?[\d.]+", path)]
    assert numbers
    assert max(numbers) <= 560
    assert "nan" not in html
    assert "inf" not in html


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0, "0 %"), (1, "100 %"), (0.5, "50.0 %"), (0.0149, "1.5 %"), (0.0049, "0.49 %"), (0.00999, "1.0 %")],
)
def test_percent(share: float, shown: str) -> None:
    """Two digits under one, one above, none at the ends."""
    assert percent(share) == shown


def test_level_names_have_no_closing_zeros() -> None:
    """They were chosen, not measured."""
    assert [level_name(level) for level in (0.005, 0.01, 0.1)] == ["0.5 %", "1 %", "10 %"]


def test_the_error_axis_holds_levels_and_what_happened() -> None:
    """Also where the promise was broken by far; it never ends at 0."""
    points = [CurvePoint(0.5, 0.5, 0.4, 0.6)]
    assert curve_top(points, [Mark(0.05, 0.5, 0.5)]) == pytest.approx(0.66)
    assert curve_top(points, [Mark(0.05, 0.5, 0.01)]) == pytest.approx(0.08)
    assert curve_top([CurvePoint(0.5, 0, 0, 0)], [Mark(0.005, 0.5, 0)]) == 0.02
    assert curve_top(points, []) == pytest.approx(0.66)
    assert curve_top([], []) == 1.0


def test_a_level_that_was_not_kept_is_marked() -> None:
    """One over it by chance and one that is broken have colours of their own."""
    points = [CurvePoint(0.5, 0.1, 0.0, 0.2)]
    marks = {"kept": Mark(0.1, 0.5, 0.1), "over": Mark(0.05, 0.5, 0.1), "broken": Mark(0.05, 0.5, 0.1, is_broken=True)}
    for mood, mark in marks.items():
        assert f'<circle class="dot {mood}"' in curve_chart(points, [mark])


def test_the_curve_is_thinned_to_150_points() -> None:
    """First and last stay."""
    evaluation = lively()
    points = curve_points(evaluation)
    assert 100 < len(points) <= 150
    assert points[0].coverage == evaluation.curve.coverage[0]
    assert points[-1].coverage == evaluation.curve.coverage[-1]


def test_the_document_is_json_and_has_every_key() -> None:
    """Also where nothing could be told: null, never NaN."""
    keys = set(evaluation_document(lively()))
    document = orjson.loads(orjson.dumps(evaluation_document(NO_CANDIDATE)))
    assert set(document) == keys
    assert [document[name] for name in ("aurc", "roc_auc", "brier")] == [None] * 3


def test_the_document_of_a_false_hit() -> None:
    """With the query, what was right, what was served instead and why."""
    found = measured([(query("a", "how now", kind="typo"), semantic("b", 0.9))])
    assert evaluation_document(found)["false_hits"] == [
        {
            "place": "q.jsonl:1",
            "text": "how now",
            "slice": "typo",
            "expected": "a",
            "entry_id": "b",
            "variant": "text of b",
            "kind": "semantic",
            "confidence": 0.9,
            "score": 0.75,
            "features": {"margin": 0.125},
        }
    ]


@pytest.mark.parametrize(
    ("evaluation", "end"),
    [
        (lively(), "as promised."),
        (measured([(query("a"), semantic("b", 0.9))] * 30), "more than was promised."),
        (measured([(query("a"), semantic("b", 0.9))]), "over the promise, by no more than chance allows."),
        (measured([(query("a"), semantic("b", 0.1))]), "served none of the 1 queries."),
        (
            measured([(query("a"), exact("a"))], promises=PROMISES[:1]),
            "only the very same text is served, 1 of 1 queries.",
        ),
    ],
)
def test_the_summary_says_how_it_came_out(evaluation: Evaluation, end: str) -> None:
    """In one sentence."""
    assert summary(evaluation).endswith(end)


def of_two_namespaces() -> Evaluation:
    """Give an evaluation of web, certified at 5 %, and of a namespace with a hostile name, certified at 10 %."""
    other = Certificate(HOSTILE, 0.1, CALIBRATION, PROMISES)
    pairs = [(query("a"), semantic("a", 0.9)), (query("b"), semantic("b", 0.6, namespace=HOSTILE))]
    return measured(pairs, own=0.05, others=[other])


def test_several_namespaces_stand_in_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Each level of each by its name, the two that are shown are marked, and the sentence speaks of both."""
    print_evaluation(of_two_namespaces())
    out = capsys.readouterr().out
    assert out.startswith("Certified for at most 5 % error in web, 10 % error in </script>")
    assert "the bundle served 100 % of 2 queries; 0 % of what it served was wrong" in out
    assert out.count("shown below") == 2
    assert [line.split()[:3] for line in out.splitlines() if line.startswith("web ")] == [
        ["web", "1", "%"],
        ["web", "5", "%"],
        ["web", "10", "%"],
    ]
    assert not {"\u202e", "\x1b"} & set(out)


def test_a_page_of_several_namespaces_is_well_formed() -> None:
    """A row for each level of each; hostile names are texts."""
    page = Page(html_report(of_two_namespaces()))
    assert page.open == []
    assert page.elements["script"] == 0
    assert "each namespace at its own certified error" in " ".join(page.texts)


def test_many_slices_do_not_drown_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    """The page shows the 200 largest, the terminal 30; the document has all."""
    found = measured([(query("a", kind=f"kind {i}"), semantic("a", 0.9)) for i in range(250)])
    print_evaluation(found)
    assert "... and 220 more (--json lists all)" in capsys.readouterr().out
    assert "The 200 largest of 250." in html_report(found)
    assert len(evaluation_document(found)["slices"]) == 250


def test_the_terminal_sees_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    """Texts and labels are spelled out there too."""
    print_evaluation(hostile())
    shown = capsys.readouterr().out
    assert "\\x1b[31m" in shown
    assert "\x1b[31m" not in shown
    assert "\u202e" not in shown


def test_the_image_is_a_png_of_both_charts() -> None:
    """1650 x 660 pixels, also of nothing, also with a name that looks like a formula."""
    for evaluation in (lively(300, name="$\\broken{"), NO_CANDIDATE):
        image = png_report(evaluation)
        assert image[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", image[16:24]) == (1650, 660)
