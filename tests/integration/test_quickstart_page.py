"""docs/quickstart.md shows what really happens on two machines, which are two folders and two homes here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from remote_servers import NGINX, nginx
from running import root_with_encoder
from shared import REPOSITORY

PAGE = (REPOSITORY / "docs" / "quickstart.md").read_text("utf-8")
BLOCKS = re.findall(r"```(sh|console|python)\n(.*?)```", PAGE, flags=re.DOTALL)
WEB, FOLDER = "http://bundles.example.com", "/srv/semcache"
WORDS = "correct horse battery staple"
pytestmark = pytest.mark.model


class Machine:
    """A home and a project in it, with the program `semcache`."""

    def __init__(self, home: Path, places: dict[str, str]) -> None:
        (home / "bin").mkdir(parents=True)
        (home / "project").mkdir()
        (home / "bin" / "semcache").write_text(f'#!/bin/sh\nexec {sys.executable} -m semcache "$@"\n')
        (home / "bin" / "semcache").chmod(0o755)
        (home / "bin" / "python").symlink_to(sys.executable)
        self._home, self._places = home, places
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SEMCACHE_", "XDG_"))}
        path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
        self._environ = {**kept, "HOME": str(home), "PATH": path, "SEMCACHE_KEYS_PASSPHRASE": WORDS}

    @property
    def project(self) -> Path:
        """Where commands run."""
        return self._home / "project"

    def run(self, script: str) -> str:
        """Return what a script of the shell prints, with the page's places."""
        for shown, real in self._places.items():
            script = script.replace(shown, real)
        done = subprocess.run(
            ["bash", "-ec", script], cwd=self.project, env=self._environ, capture_output=True, text=True, check=False
        )
        printed = done.stderr + done.stdout
        assert done.returncode == 0, printed
        for shown, real in {**self._places, "~": str(self._home)}.items():
            printed = printed.replace(real, shown)
        return printed

    def follow(self, block: tuple[str, str]) -> None:
        """Do what a block shows: each command of a console prints what stands below it."""
        language, text = block
        if language == "console":
            for step in text.split("$ ")[1:]:
                command, _, shown = step.partition("\n")
                assert without_measures(self.run(command)) == without_measures(shown)
        elif language == "python":
            (self.project / "page.py").write_text(text)
            assert self.run(f"{sys.executable} page.py") == "True\n"
        else:
            self.run(text)


def without_measures(printed: str) -> str:
    """Give a text with # for sizes, times and a fingerprint."""
    return re.sub(r"[\d.]+ [kMG]?B\b|\b[0-9a-f]{64}\b|\d{4}-\d\d-\d\d \d\d:\d\d", "#", printed)


@pytest.mark.skipif(NGINX is None, reason="needs nginx: apt-get install nginx-light")
def test_the_page_is_what_happens(model_root: Path, tmp_path: Path) -> None:
    """Keys, build, publish; pull over nginx; an update; renewal. The corpus is a part of the page's."""
    remote = tmp_path / "remote"
    remote.mkdir()
    with nginx(remote, tmp_path / "nginx") as server:
        places = {FOLDER: str(remote), WEB: server.url}
        here, there = Machine(tmp_path / "here", places), Machine(tmp_path / "there", places)
        (here.project / "corpus").mkdir()
        entries = (REPOSITORY / "corpus" / "speckit.jsonl").read_text("utf-8").splitlines(keepends=True)
        (here.project / "corpus" / "speckit.jsonl").write_text("".join(entries[:30]), "utf-8")
        root_with_encoder(model_root, here.project)
        making, publishing, pulling, opening, changing, updating, pulling_again, renewing = BLOCKS
        for block in (making, publishing):
            here.follow(block)
        for block in (pulling, opening):
            there.follow(block)
        for block in (changing, updating):
            here.follow(block)
        there.follow(pulling_again)
        here.follow(renewing)
