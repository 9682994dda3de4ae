# make demo   the main job on a table the package makes itself
# make test   lint, types and tests; make test-all adds the slow ones
# make bench  lists the benchmarks
#
# The first call creates .venv and installs. PIP_EXTRA_INDEX_URL and pip's other variables are honoured.
.POSIX:
.PHONY: help demo test test-all lint types bench apt install clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SOURCES := src tests benchmarks examples

help:
	@sed -n 's/^# \(make.*\)/\1/p' Makefile

install: $(INSTALLED)

# torch comes first and alone, so that its version is the one of constraints.txt before anything else asks for one
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python >= 3.11 is required, got: $$($(PYTHON) --version); set PYTHON=python3.11 or later" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $(INSTALLED)

demo: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/netgraft demo

lint: $(INSTALLED)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

types: $(INSTALLED)
	$(BIN)/mypy

test: lint types apt
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not slow' </dev/null

test-all: lint types apt
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest </dev/null

# A browser for the tests of the report, a database server for those of the library, a web server for those of chunks;
# without them they are skipped.
# Nothing is installed without root.
apt:
	@wanted=""; \
	command -v chromium >/dev/null 2>&1 || wanted="chromium"; \
	command -v nginx >/dev/null 2>&1 || wanted="$$wanted nginx-light"; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null 2>&1 || \
		wanted="$$wanted postgresql"; \
	if [ -n "$$wanted" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		apt-get update -qq </dev/null >/dev/null 2>&1; \
		for package in $$wanted; do \
			DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$$package" \
				</dev/null >/dev/null 2>&1 || echo "no $$package: the tests that need it are skipped" >&2; \
		done; \
	fi

bench: $(INSTALLED)
	@$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache
