"""What earlier rebuilds of a bundle did, and of which inputs: `rebuild.json` beside its versions.

Only a memory: where it is lost or damaged, every stage runs again, and finds that there is little to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from semcache.bundle.layout import REBUILT_FILE
from semcache.core.fields import FieldError, Fields
from semcache.errors import StorageError
from semcache.store.fsio import FileSystem, replace_file


@dataclass(frozen=True, slots=True)
class Done:
    """The last run of a stage.

    Attributes:
        at: when it ended, in Unix seconds.
        inputs: digest of each input, by name.
        version: what it made, of a build.
        reasons: why gates refused it, one sentence each; empty of any other stage.
    """

    at: int
    inputs: Mapping[str, str]
    version: str = ""
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class Journal:
    """The last run of each stage, by its name."""

    path: Path
    stages: dict[str, Done] = field(default_factory=dict)

    @classmethod
    def read(cls, bundle_dir: Path) -> Journal:
        """Read what is known of a bundle; nothing where there is no such file or it does not say.

        Raises:
            StorageError: the system refuses.
        """
        path = bundle_dir / REBUILT_FILE
        try:
            document = Fields.parse(path.read_bytes())
            return cls(path, {name: _done(document.fields(name)) for name in document.names()})
        except (FileNotFoundError, FieldError):
            return cls(path)
        except OSError as error:
            raise StorageError.from_os_error(path, error) from error

    def note(self, fs: FileSystem, stage: str, done: Done) -> None:
        """Remember the run of a stage, durably.

        Raises:
            StorageError: the system refuses.
        """
        self.stages[stage] = done
        raw = orjson.dumps({name: asdict(done) for name, done in self.stages.items()}, option=orjson.OPT_INDENT_2)
        try:
            fs.make_dir(self.path.parent)
            replace_file(fs, self.path, raw)
        except OSError as error:
            raise StorageError.from_os_error(self.path, error) from error


def _done(take: Fields) -> Done:
    inputs = take.fields("inputs")
    return Done(
        at=take.count("at"),
        inputs={name: inputs.text(name) for name in inputs.names()},
        version=take.text("version"),
        reasons=take.texts("reasons"),
    )
