"""Programs that look up with the real encoder and report what that loaded, started or left behind."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from semcache import Cache, Hit, build_bundle
from semcache.errors import EncoderError

_HEAVY = ("onnxruntime", "tokenizers", "torch", "sentence_transformers", "transformers", "huggingface_hub", "onnx")


def _report(document: object) -> None:
    sys.stdout.write(json.dumps(document))


def look_up_and_list_modules(bundle_dir: str, text: str) -> None:
    """Look up and report the result and which of the heavy modules are loaded."""
    with Cache.open(bundle_dir) as cache:
        result = cache.lookup(text)
    loaded = [name for name in _HEAVY if name in sys.modules]
    kind = result.kind if isinstance(result, Hit) else result.reason
    _report({"entry": result.entry_id if isinstance(result, Hit) else None, "kind": kind, "loaded": loaded})


def look_up_and_list_files(bundle_dir: str, text: str) -> None:
    """Look up and report what stands in the home folder then."""
    with Cache.open(bundle_dir) as cache:
        is_hit = cache.lookup(text).hit
    _report({"hit": is_hit, "left": sorted(path.name for path in Path.home().rglob("*") if path.is_file())})


def look_up_with_error(bundle_dir: str, *texts: str) -> None:
    """Look texts up and report each one's entry, or the error's type and message."""
    found = []
    with Cache.open(bundle_dir) as cache:
        for text in texts:
            try:
                result = cache.lookup(text)
            except Exception as error:  # noqa: BLE001 - the test says which it must be
                found.append([type(error).__name__, str(error)])
            else:
                found.append(["Hit", result.entry_id] if isinstance(result, Hit) else ["Miss", result.reason])
    _report(found)


def build_again(corpus: str, root: str) -> None:
    """Build with the default model and report whether that loaded torch."""
    build_bundle([corpus], name="again", root=root)
    _report({"torch": "torch" in sys.modules})


def look_up_mend_and_look_up(bundle_dir: str, aside: str, folder: str, text: str) -> None:
    """Look up without the encoder, put it back, look up again with the same cache; report both outcomes."""
    with Cache.open(bundle_dir) as cache:
        try:
            first = str(cache.lookup(text).hit)
        except EncoderError as error:
            first = type(error).__name__
        Path(aside).rename(folder)
        _report([first, cache.lookup(text).hit])
