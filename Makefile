# `make` alone says what it can do.  A machine needs only Python 3.11 or newer and make:
# every target makes .venv and fills it from the lock files, and does so again when the
# lock files, the Python or the place of this folder change.

PYTHON ?= python3
UV ?= uv
WORKERS ?= 2

PY = .venv/bin/python
INSTALL = $(PY) -m pip --disable-pip-version-check install --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint bench docs verify-kernel lock clean always

help: ## say what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

demo: .venv/installed ## make a workspace in demo/, run the chain on real data and certify it
	.venv/bin/civiltime demo -w demo --posture stratified

test: lint ## lint, types, drift of the docs, and every test (also the slow ones)
	$(PY) -m civiltime.contracts.docs --check
	$(PY) -m pytest -n $(WORKERS)

lint: .venv/installed ## ruff and mypy; changes nothing
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy

bench: .venv/bench ## measure the kernel, the states and the chain beside their peers
	$(PY) -m benchmarks

docs: .venv/installed ## write the generated pages of docs/
	$(PY) -m civiltime.contracts.docs

verify-kernel: .venv/installed ## compare the lookup with GEOS on millions of points (long)
	$(PY) -m benchmarks.verify_kernel

# Versions that are locked stay; `make lock UPGRADE=--upgrade` takes the newest.
COMPILE = $(UV) pip compile --universal --generate-hashes --no-emit-index-url --python-version 3.11
lock: ## write requirements/*.txt anew from pyproject.toml (needs uv)
	$(COMPILE) -q $(UPGRADE) --extra demo --group dev pyproject.toml -o requirements/dev.txt
	$(COMPILE) -q $(UPGRADE) --extra demo pyproject.toml -o requirements/demo.txt
	$(COMPILE) -q $(UPGRADE) --extra demo --extra bench pyproject.toml -c requirements/dev.txt -o requirements/bench.txt

clean: ## remove .venv, demo/, build products and caches
	rm -rf .venv demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf '{}' +

# ------------------------------------------------------------------ the virtual environment

# Looked at every time, touched only when the Python or the place of this folder changed:
# a virtual environment can't be moved.
.venv/made: always
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "civiltime needs Python 3.11 or newer; name one with: make PYTHON=python3.12" >&2; \
	  exit 1; }
	@wanted="$$($(PYTHON) -c 'import sys; print(sys.version)') in $$(pwd)"; \
	if [ "$$(cat $@ 2>/dev/null)" != "$$wanted" ]; then \
	  if [ -e $@ ]; then rm -rf .venv; fi; \
	  echo "making .venv"; \
	  $(PYTHON) -m venv .venv && echo "$$wanted" > $@; \
	fi

.venv/locked: .venv/made requirements/dev.txt
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

.venv/installed: .venv/locked pyproject.toml
	$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

.venv/bench: .venv/installed requirements/bench.txt
	$(INSTALL) --require-hashes -r requirements/bench.txt
	@touch $@
