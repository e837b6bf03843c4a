from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from semcache.config import BuildConfig, LlmConfig
from semcache.errors import ConfigError
from semcache.settings import (
    resolve_build,
    resolve_keys_dir,
    resolve_llm,
    resolve_passphrase,
    resolve_pull_root,
    resolve_root,
    resolve_root_of,
    shared_root,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder whose semcache.toml sets the root and a few build settings."""
    text = 'root = "from-toml"\n[build]\nseed = 3\nmin_recall_at_1 = 0.3\nmodel = "toml"\ncompress = true\n'
    (tmp_path / "semcache.toml").write_text(text)
    return tmp_path


def toml(folder: Path, text: str) -> Path:
    """Write semcache.toml."""
    (folder / "semcache.toml").write_text(text)
    return folder


def test_without_any_setting_the_defaults_hold(tmp_path: Path) -> None:
    """No file is no settings."""
    assert resolve_build({}, environ={}, folder=tmp_path) == BuildConfig()


def test_the_file_comes_before_the_default(folder: Path) -> None:
    """What it leaves out keeps its default."""
    config = resolve_build({}, environ={}, folder=folder)
    assert config == BuildConfig(seed=3, min_recall_at_1=0.3, model="toml", compress=True)


def test_the_environment_comes_before_the_file(folder: Path) -> None:
    """One variable for each setting, in capitals."""
    config = resolve_build({}, environ={"SEMCACHE_SEED": "2", "SEMCACHE_COMPRESS": "0"}, folder=folder)
    assert (config.seed, config.compress, config.min_recall_at_1) == (2, False, 0.3)


def test_an_argument_comes_before_the_environment(folder: Path) -> None:
    """What the caller says is what is done."""
    environ = {"SEMCACHE_SEED": "2", "SEMCACHE_MIN_RECALL_AT_1": "0.2"}
    config = resolve_build({"seed": 1, "min_recall_at_1": None}, environ=environ, folder=folder)
    assert (config.seed, config.min_recall_at_1) == (1, 0.2)


@pytest.mark.parametrize(
    ("name", "value"), [("seed", 0), ("min_recall_at_1", 0.0), ("outside_share", 0.0), ("compress", False)]
)
def test_zero_and_false_are_arguments(folder: Path, name: str, value: object) -> None:
    """Only None means that nothing was said."""
    environ = {f"SEMCACHE_{name.upper()}": "1"}
    assert getattr(resolve_build({name: value}, environ=environ, folder=folder), name) == value


def test_zero_in_the_environment_is_a_value(folder: Path) -> None:
    """It takes the place of the file's setting."""
    environ = {"SEMCACHE_SEED": "0", "SEMCACHE_MIN_RECALL_AT_1": "0"}
    config = resolve_build({}, environ=environ, folder=folder)
    assert (config.seed, config.min_recall_at_1) == (0, 0.0)


def test_zero_in_the_file_is_a_value(tmp_path: Path) -> None:
    """It takes the place of the default."""
    assert resolve_build({}, environ={}, folder=toml(tmp_path, "[build]\nmin_recall_at_1 = 0\n")).min_recall_at_1 == 0.0


def test_settings_get_the_type_of_their_default(tmp_path: Path) -> None:
    """The environment holds text only."""
    environ = {
        "SEMCACHE_SEED": "7",
        "SEMCACHE_MIN_RECALL_AT_1": "1",
        "SEMCACHE_COMPRESS": "True",
        "SEMCACHE_MODEL": "5",
    }
    config = resolve_build({}, environ=environ, folder=tmp_path)
    assert (config.seed, config.min_recall_at_1, config.compress, config.model) == (7, 1.0, True, "5")
    assert type(config.min_recall_at_1) is float


def test_every_build_setting_has_a_variable(tmp_path: Path) -> None:
    """Named after its field."""
    environ = {
        "SEMCACHE_MODEL": "m",
        "SEMCACHE_INDEX": "hnsw",
        "SEMCACHE_SEED": "1",
        "SEMCACHE_MAX_ERROR": "0.05",
        "SEMCACHE_OUTSIDE_SHARE": "0.2",
        "SEMCACHE_ADAPTER": "0",
        "SEMCACHE_N_NEIGHBOURS": "5",
        "SEMCACHE_MIN_RECALL_AT_1": "0.3",
        "SEMCACHE_MIN_RECALL_AT_10": "0.4",
        "SEMCACHE_COMPRESS": "1",
        "SEMCACHE_N_WORKERS": "2",
        "SEMCACHE_BATCH_ROWS": "16",
    }
    assert resolve_build({}, environ=environ, folder=tmp_path) == BuildConfig(
        model="m",
        index="hnsw",
        seed=1,
        max_error=0.05,
        outside_share=0.2,
        adapter=False,
        n_neighbours=5,
        min_recall_at_1=0.3,
        min_recall_at_10=0.4,
        compress=True,
        n_workers=2,
        batch_rows=16,
    )


@pytest.mark.parametrize("environ", [{"SEMCACHE_OTHER": "1"}, {"seed": "1"}, {"SEED": "1"}])
def test_other_variables_are_none_of_ours(tmp_path: Path, environ: dict[str, str]) -> None:
    """They are left alone."""
    assert resolve_build({}, environ=environ, folder=tmp_path) == BuildConfig()


def test_the_environment_of_the_process_is_the_default_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line passes none."""
    monkeypatch.setattr(os, "environ", {"SEMCACHE_SEED": "9", "SEMCACHE_ROOT": "from-environ"})
    assert resolve_build({}, folder=tmp_path).seed == 9
    assert resolve_root(None, folder=tmp_path) == Path("from-environ")


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("SEMCACHE_SEED", "one", "a int"),
        ("SEMCACHE_SEED", "1.5", "a int"),
        ("SEMCACHE_SEED", "", "a int"),
        ("SEMCACHE_MIN_RECALL_AT_1", "high", "a float"),
        ("SEMCACHE_COMPRESS", "maybe", "a bool"),
    ],
)
def test_a_variable_of_another_type_is_named(tmp_path: Path, variable: str, value: str, allowed: str) -> None:
    """The person is told which of the places holds the mistake."""
    with pytest.raises(ConfigError, match=f"^{re.escape(f'{variable}: found {value!r}, allowed {allowed}')}$"):
        resolve_build({}, environ={variable: value}, folder=tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("seed = [1]", "build.seed: found [1], allowed a int"),
        ('min_recall_at_1 = "high"', "build.min_recall_at_1: found 'high', allowed a float"),
        ("compress = 5", "build.compress: found 5, allowed a bool"),
    ],
)
def test_a_setting_of_another_type_is_named_with_its_file(tmp_path: Path, line: str, message: str) -> None:
    """File and table."""
    expected = f"{tmp_path / 'semcache.toml'}: {message}"
    with pytest.raises(ConfigError, match=f"^{re.escape(expected)}$"):
        resolve_build({}, environ={}, folder=toml(tmp_path, f"[build]\n{line}\n"))


@pytest.mark.parametrize("line", ["seed = 1.5", "n_workers = 0.5", "seed = true"])
def test_a_setting_is_not_bent_to_its_type(tmp_path: Path, line: str) -> None:
    """1.5 is not the seed 1: the file has types, and a value of another one is a mistake to be told."""
    with pytest.raises(ConfigError, match=r"semcache\.toml: build\."):
        resolve_build({}, environ={}, folder=toml(tmp_path, f"[build]\n{line}\n"))


def test_a_variable_outside_its_range_is_named(tmp_path: Path) -> None:
    """The range is the config's; the source is what the person can change."""
    with pytest.raises(ConfigError, match=r"SEMCACHE_MIN_RECALL_AT_1.*found 2\.0, allowed 0\.0 to 1\.0"):
        resolve_build({}, environ={"SEMCACHE_MIN_RECALL_AT_1": "2"}, folder=tmp_path)


def test_a_setting_outside_its_range_is_named_with_its_file(tmp_path: Path) -> None:
    """As for a variable."""
    with pytest.raises(ConfigError, match=r"semcache\.toml.*found 2\.0, allowed 0\.0 to 1\.0"):
        resolve_build({}, environ={}, folder=toml(tmp_path, "[build]\nmin_recall_at_1 = 2\n"))


@pytest.mark.parametrize(
    ("text", "found"), [("[build]\nsed = 1\nb = 2\n", "['b', 'sed']"), ("build = 5\n", "5"), ("build = []\n", "[]")]
)
def test_an_unknown_setting_is_named_with_those_allowed(tmp_path: Path, text: str, found: str) -> None:
    """A slip of the pen is not passed over in silence."""
    with pytest.raises(ConfigError, match=re.escape(f"semcache.toml: build: found {found}, allowed model, index, ")):
        resolve_build({}, environ={}, folder=toml(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "found"), [('rooot = "x"\n', "rooot"), ("seed = 1\n[built]\nseed = 1\n", "built, seed")]
)
def test_an_unknown_key_of_the_file_is_named_with_those_allowed(tmp_path: Path, text: str, found: str) -> None:
    """Whatever is asked for: a table with a slip in its name would be no settings, in silence."""
    expected = f"{tmp_path / 'semcache.toml'}: found {found}, allowed root, keys, build, llm"
    for resolve in (resolve_build, resolve_llm):
        with pytest.raises(ConfigError, match=f"^{re.escape(expected)}$"):
            resolve({}, environ={}, folder=toml(tmp_path, text))
    with pytest.raises(ConfigError, match=f"^{re.escape(expected)}$"):
        resolve_root(None, environ={}, folder=tmp_path)


@pytest.mark.parametrize("content", [b"root = ", b"\xff\xfe"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    """With the reason of the parser."""
    (tmp_path / "semcache.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=f"^{re.escape(str(tmp_path / 'semcache.toml'))}: "):
        resolve_root(None, environ={}, folder=tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder in its place is not "no settings"."""
    (tmp_path / "semcache.toml").mkdir()
    with pytest.raises(ConfigError, match=f"^{re.escape(str(tmp_path / 'semcache.toml'))}: "):
        resolve_build({}, environ={}, folder=tmp_path)


@pytest.mark.parametrize(
    ("argument", "environ", "expected"),
    [
        (Path("given"), {"SEMCACHE_ROOT": "from-environ"}, "given"),
        (None, {"SEMCACHE_ROOT": "from-environ"}, "from-environ"),
        (None, {}, "from-toml"),
    ],
)
def test_the_root_follows_the_same_order(
    folder: Path, argument: Path | None, environ: dict[str, str], expected: str
) -> None:
    """Argument, environment, file."""
    assert resolve_root(argument, environ=environ, folder=folder) == Path(expected)


def test_the_default_root_is_the_folder_indexes(tmp_path: Path) -> None:
    """Where nobody says otherwise."""
    assert resolve_root(None, environ={}, folder=tmp_path) == Path("indexes")


def test_a_root_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """With the file and what was found."""
    with pytest.raises(ConfigError, match=r"^semcache\.toml: root: found 5, allowed text$"):
        resolve_root(None, environ={}, folder=toml(tmp_path, "root = 5\n"))


def test_an_argument_outside_its_range_is_refused(tmp_path: Path) -> None:
    """Arguments are checked like any other source."""
    arguments: dict[str, Any] = {"seed": -1}
    with pytest.raises(ConfigError, match=r"seed: found -1, allowed 0 to 2147483647$"):
        resolve_build(arguments, environ={}, folder=tmp_path)


LLM_ENVIRON = {
    "SEMCACHE_LLM_MODEL": "m",
    "SEMCACHE_LLM_BASE_URL": "http://env/v1",
    "SEMCACHE_LLM_API_KEY": "k1",
    "OTHER": "k2",
}


def test_without_a_model_nobody_is_asked(tmp_path: Path) -> None:
    """An address alone names none, and an empty name is none."""
    environ = {"SEMCACHE_LLM_BASE_URL": "http://env/v1"}
    assert resolve_llm({}, environ=environ, folder=tmp_path) is None
    assert resolve_llm({"model": ""}, environ=LLM_ENVIRON, folder=tmp_path) is None


def test_the_model_comes_from_the_environment(tmp_path: Path) -> None:
    """Name, address and key."""
    assert resolve_llm({}, environ=LLM_ENVIRON, folder=tmp_path) == LlmConfig("http://env/v1", "m", api_key="k1")


def test_an_argument_names_another_model_and_key(tmp_path: Path) -> None:
    """Of the key, only where it is."""
    arguments = {"model": "n", "base_url": "http://flag/v1", "concurrency": 2, "timeout_s": None}
    found = resolve_llm(arguments, api_key_env="OTHER", environ=LLM_ENVIRON, folder=tmp_path)
    assert found == LlmConfig("http://flag/v1", "n", api_key="k2", concurrency=2)


def test_the_file_names_model_and_address(tmp_path: Path) -> None:
    """The environment comes before it."""
    folder = toml(tmp_path, '[llm]\nmodel = "t"\nbase_url = "http://toml/v1"\n')
    assert resolve_llm({}, environ={}, folder=folder) == LlmConfig("http://toml/v1", "t")
    assert resolve_llm({}, environ=LLM_ENVIRON, folder=folder) == LlmConfig("http://env/v1", "m", api_key="k1")


@pytest.mark.parametrize(
    ("text", "arguments", "api_key_env", "message"),
    [
        ("", {"model": "m"}, None, "model 'm' has no address; give --base-url or SEMCACHE_LLM_BASE_URL"),
        ("", {"model": "m", "base_url": "http://a"}, "NOWHERE", "--api-key-env: NOWHERE is not set"),
        ('[llm]\napi_key = "k"', {}, None, "llm: found ['api_key'], allowed model, base_url"),
        ("llm = 3", {}, None, "llm: found 3, allowed model, base_url"),
    ],
)
def test_a_model_that_cannot_be_asked_says_what_is_missing(
    tmp_path: Path, text: str, arguments: dict[str, Any], *, api_key_env: str | None, message: str
) -> None:
    """A key is never read from a file."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        resolve_llm(arguments, api_key_env=api_key_env, environ={}, folder=toml(tmp_path, text))


def test_the_folder_of_keys_is_resolved_like_every_setting(tmp_path: Path) -> None:
    """Argument, environment, file, and a folder of the user."""
    environ = {"SEMCACHE_KEYS": "from-environment"}
    folder = toml(tmp_path, 'keys = "from-toml"\n')
    assert resolve_keys_dir(Path("argument"), environ=environ, folder=folder) == Path("argument")
    assert resolve_keys_dir(None, environ=environ, folder=folder) == Path("from-environment")
    assert resolve_keys_dir(None, environ={}, folder=folder) == Path("from-toml")
    assert resolve_keys_dir(None, environ={}, folder=tmp_path / "none") == Path.home() / ".config/semcache/keys"


def test_a_passphrase_comes_from_the_environment_only() -> None:
    """Or it is not set; an empty one is a value."""
    found = [resolve_passphrase(environ={**given}) for given in ({"SEMCACHE_KEYS_PASSPHRASE": "x"}, {})]
    assert found == ["x", None]
    assert not resolve_passphrase(environ={"SEMCACHE_KEYS_PASSPHRASE": ""})


def test_a_pull_goes_to_a_root_that_is_named(folder: Path) -> None:
    """By argument, environment or file; else to the folder that all projects of a user share."""
    assert resolve_pull_root(Path("argument"), environ={"SEMCACHE_ROOT": "e"}, folder=folder) == Path("argument")
    assert resolve_pull_root(None, environ={"SEMCACHE_ROOT": "e"}, folder=folder) == Path("e")
    assert resolve_pull_root(None, environ={}, folder=folder) == Path("from-toml")
    assert resolve_pull_root(None, environ={}, folder=folder / "none") == shared_root()


def test_the_shared_root_is_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform says where: on Linux XDG_CACHE_HOME."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert shared_root() == tmp_path / "semcache"


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a shared root that has the bundle `demo`."""
    monkeypatch.setattr("semcache.settings.shared_root", lambda: tmp_path / "shared")
    (tmp_path / "shared" / "demo").mkdir(parents=True)
    return tmp_path / "shared"


def test_a_bundle_is_read_from_the_shared_root_where_the_project_has_none(tmp_path: Path, shared: Path) -> None:
    """And from the project's where neither has one, so that the error names that."""
    project = tmp_path / "project"
    assert resolve_root_of("demo", None, environ={}, folder=project) == shared
    assert resolve_root_of("other", None, environ={}, folder=project) == Path("indexes")


@pytest.mark.parametrize("own", ["indexes/demo", "demo"])
@pytest.mark.usefixtures("shared")
def test_a_projects_own_bundle_comes_first(tmp_path: Path, own: str) -> None:
    """In its root, or as a folder of that name."""
    (tmp_path / "project" / own).mkdir(parents=True)
    assert resolve_root_of("demo", None, environ={}, folder=tmp_path / "project") == Path("indexes")


@pytest.mark.usefixtures("shared")
def test_a_root_that_is_named_is_the_only_one(tmp_path: Path) -> None:
    """Whoever names a root means no other; a path is no name."""
    assert resolve_root_of("demo", Path("own"), environ={}, folder=tmp_path) == Path("own")
    assert resolve_root_of("demo", None, environ={"SEMCACHE_ROOT": "e"}, folder=tmp_path) == Path("e")
    assert resolve_root_of("shared/demo", None, environ={}, folder=tmp_path) == Path("indexes")
