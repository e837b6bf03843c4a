from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from semcache.cli.app import app

REPOSITORY = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *("README.md", "ARCHITECTURE.md", "FORMAT.md", "CHANGELOG.md", "corpus/README.md", "indexes/README.md"),
    *("docs/corpus.md", "docs/harvest.md", "docs/nightly.md", "docs/publishing.md", "docs/quickstart.md"),
]
COMMANDS = [
    *(("build",), ("lookup",), ("search",), ("explain",), ("eval",), ("info",), ("check",)),
    *(("publish",), ("pull",), ("rebuild",)),
    *(("corpus", "check"), ("corpus", "lint"), ("corpus", "stats"), ("augment",), ("harvest",), ("accept",)),
    *(("versions",), ("rollback",), ("gc",)),
    *(("keys", "init"), ("keys", "rotate"), ("keys", "sign"), ("keys", "show")),
]
GROUPS = {(), ("corpus",), ("keys",)}
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z0-9-]*|-[a-zA-Z])(?![\w-])")


@cache
def help_of(command: tuple[str, ...]) -> str | None:
    """Return what `semcache <command> --help` prints; None where there is no such command."""
    environment = {"COLUMNS": "250", "NO_COLOR": "1", "TERM": "dumb"}
    result = CliRunner().invoke(app, [*command, "--help"], env=environment)
    return result.output if result.exit_code == 0 else None


def options_of(command: tuple[str, ...]) -> set[str]:
    """Return the options that a command's help shows."""
    return set(OPTION.findall(help_of(command) or ""))


def command_lines(markdown: str) -> Iterator[str]:
    """Yield every call of the program in a document: in fenced blocks and in code spans."""
    fenced = re.findall(r"^```[^\n]*\n(.*?)^```", markdown, flags=re.DOTALL | re.MULTILINE)
    spans = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"^```.*?^```", "", markdown, flags=re.DOTALL | re.MULTILINE))
    lines = [line for block in fenced for line in block.replace("\\\n", " ").splitlines()]
    for line in [*lines, *spans]:
        for part in re.split(r"\s[|;]\s|&&", line.strip().removeprefix("$ ")):
            words = part.split()
            if words and re.fullmatch(r"(\S*/)?semcache|semcache", words[0]) and len(words) > 1:
                yield part.strip()


def line_problems(line: str) -> list[str]:
    """Return what is wrong with a call: a command that is not there, or an option that it does not have."""
    words = shlex.split(line, comments=True)[1:]
    command: tuple[str, ...] = ()
    while command in GROUPS and words and not words[0].startswith("-"):
        command = (*command, words.pop(0))
    if help_of(command) is None:
        return [f"{line}: no command {' '.join(command)!r}"]
    given = [word.split("=")[0] for word in words if OPTION.fullmatch(word.split("=")[0])]
    return [f"{line}: {' '.join(command)} has no {option}" for option in given if option not in options_of(command)]


def lone_options(markdown: str) -> set[str]:
    """Return the options that stand in a code span of their own."""
    return set(re.findall(r"(?<!`)`(--[a-z][a-z0-9-]*)[^`\n]*`(?!`)", markdown))


def test_every_documented_call_exists() -> None:
    """Each command and option that a document shows is one that the program takes; there are such calls."""
    lines = [line for name in DOCUMENTS for line in command_lines((REPOSITORY / name).read_text("utf-8"))]
    assert lines
    assert [problem for line in lines for problem in line_problems(line)] == []


def test_every_option_that_the_readme_names_exists() -> None:
    """In one command at least."""
    known = {option for command in [(), *COMMANDS] for option in options_of(command)}
    assert lone_options((REPOSITORY / "README.md").read_text("utf-8")) - known == set()


def test_the_readme_names_every_command() -> None:
    """A command that nobody can find is none."""
    lines = [line.split() for line in command_lines((REPOSITORY / "README.md").read_text("utf-8"))]
    assert [command for command in COMMANDS if not any(tuple(w[1 : 1 + len(command)]) == command for w in lines)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_prints_json_where_asked(command: tuple[str, ...]) -> None:
    """Scripts read one form."""
    assert "--json" in options_of(command)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_shows_every_word_that_was_written_for_it(command: tuple[str, ...]) -> None:
    """Also the defaults in square brackets: nothing of it is taken for markup."""
    context = typer.main.get_command(app)
    for name in command:
        context = context.commands[name]  # type: ignore[attr-defined]  # a group has them
    shown = " ".join(re.sub(r"[\u2500-\u257f]", " ", help_of(command) or "").split())
    written = [text for parameter in context.params if (text := getattr(parameter, "help", None))]
    assert written
    assert [text for text in written if " ".join(text.split()) not in shown] == []


@pytest.mark.parametrize(
    ("line", "problems"),
    [
        ("semcache build a.jsonl --name demo", []),
        ('semcache lookup demo "how do I -- do it" --json', []),
        ("semcache corpus stats a.jsonl --near=0.8", []),
        ("semcache search NAME TEXT -k 3  # a comment --with=words", []),
        ("semcache --version", []),
        ("semcache build a --nme x", ["semcache build a --nme x: build has no --nme"]),
        ("semcache info demo -k 3", ["semcache info demo -k 3: info has no -k"]),
        ("semcache push demo", ["semcache push demo: no command 'push'"]),
        ("semcache corpus fix a", ["semcache corpus fix a: no command 'corpus fix'"]),
    ],
)
def test_a_call_that_does_not_exist_is_found(line: str, problems: list[str]) -> None:
    """A command, or an option of another command."""
    assert line_problems(line) == problems


def test_calls_are_found_wherever_they_stand() -> None:
    """Prompts, continued lines, pipes, code spans; prose is none."""
    markdown = """Run `semcache info NAME` or `semcache`; semcache build is prose.

```console
$ semcache build a \\
    --name x
built
$ cat q.txt | semcache lookup x --json
```

    .venv/bin/semcache in an indented block

```sh
.venv/bin/semcache check x && semcache info x
```
"""
    assert list(command_lines(markdown)) == [
        "semcache build a      --name x",
        "semcache lookup x --json",
        ".venv/bin/semcache check x",
        "semcache info x",
        "semcache info NAME",
    ]


def test_lone_options_are_found() -> None:
    """With a value or without; those of a call are checked with it."""
    assert lone_options("`--root` and `--exit-code 3`, `semcache build --json`, --prose") == {"--root", "--exit-code"}
