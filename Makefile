# demo: see the whole loop run.        test: everything that must hold.      check: style, types, floors, docs.
# fix: format and regenerate pages.    bench: the long measurements.         serve: the feedback app on PROJECT.
# coverage: the tests, and which lines and branches none of them runs.
#
# Each target makes .venv when there is none: plain venv and pip, exact versions from constraints.txt.

PYTHON  ?= python3
WORKERS ?= $(shell $(PYTHON) -c "import os; print((os.cpu_count() or 1) + 1)")
ARGS    ?=
PROJECT ?= demo
BENCH   ?= online_step local peers

BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

# One thread per process: the tests run in several processes, and small models are fastest on one thread. There is one
# process more than cores, since some tests wait for a server, a browser or another process.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false HF_HUB_OFFLINE=1

.PHONY: help demo test coverage check fix docs bench serve
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -3
	@echo "Options of a verb go into ARGS: make demo ARGS='--help'"

demo: .venv/train.stamp
	$(BIN)/heedful demo $(ARGS)

test: .venv/dev.stamp
	$(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 8 --dist worksteal \
	  --durations 10 --durations-min 5 $(ARGS)

coverage: override ARGS += --cov --cov-report=term:skip-covered
coverage: test

check: .venv/dev.stamp docs
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

fix: .venv/dev.stamp
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python -m docs.generate

# The pages are plain Markdown, read where the code is hosted: checked here, not rendered.
docs: .venv/dev.stamp
	$(ONE_THREAD) $(BIN)/python -m pytest tests/test_docs.py -m "not slow"

bench: .venv/dev.stamp .venv-peers/stamp
	@echo "== the same losses as TRL's"
	@.venv-peers/bin/python -m pytest -q --noconftest -p no:cacheprovider tests/learning/direct/test_trl_parity.py
	@for name in $(BENCH); do \
	  echo "== benchmarks/$$name.py"; \
	  OMP_NUM_THREADS=1 HEEDFUL_TRL=.venv-peers/bin/python $(BIN)/python benchmarks/$$name.py $(ARGS) || exit 1; \
	done

serve: .venv/core.stamp
	$(BIN)/heedful serve $(PROJECT) $(ARGS)

.venv/bin/pip:
	@echo "making .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "heedful needs Python 3.11 or newer; say which: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "on Debian and Ubuntu: apt install python3-venv"; rm -rf .venv; exit 1; }

.venv/core.stamp: pyproject.toml constraints.txt | .venv/bin/pip
	@[ -e .venv/train.stamp ] || { echo "installing heedful into .venv"; $(PIP) --editable .; }
	@touch $@

.venv/train.stamp: pyproject.toml constraints.txt | .venv/bin/pip
	@echo "installing heedful[train] into .venv (a few minutes the first time)"
	@$(PIP) --editable '.[train]'
	@touch $@

.venv/dev.stamp: pyproject.toml constraints.txt | .venv/bin/pip
	@echo "installing heedful[dev] into .venv (a few minutes the first time)"
	@$(PIP) --editable '.[dev]'
	@touch $@ .venv/train.stamp

# What heedful is measured against lives apart from it, in versions that go together.
.venv-peers/stamp: pyproject.toml constraints.txt
	@echo "installing TRL beside heedful into .venv-peers (a few minutes the first time)"
	@$(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  --editable '.[train]' trl pytest
	@touch $@
