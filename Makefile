# Everything that a developer runs. A fresh Debian needs only make and Python 3.11; the rest is installed on demand.
#
#   make demo       start the shop and the tracker farm on loopback, and print their addresses
#   make test       lint, types, and all tests with coverage, as in .ci/run
#   make test-fast  the tests without browsers and slow ones, to run every few minutes
#   make bench      measure the tables of docs/benchmarks.md again (PAGES=folder adds your own pages)
#   make bench-quick  measure the loss of speed in three minutes; fails if it got 15 % worse (STORE=1 stores the result)
#   make lint       ruff and mypy only
#   make fuzz       search for pages, style sheets, cookies and settings that cause a failure (MINUTES=10, TARGET=all)
#   make sanitize   run the C scanner under the address and undefined-behaviour sanitizers (MINUTES=10; needs gcc)
#   make docs       build the documentation in build/site, in strict mode
#   make generated  write all generated files; generated-check reports those that are out of date
#   make dist       build the pure Python wheel and the source archive in dist/ (TAG=v1.2.3 checks the release first)
#   make format     fix lint and formatting with ruff
#   make clean      remove everything that the above created
#
# PYTHON=python3.12 sets the interpreter of a new .venv, DJANGO=4.2 its Django, WORKERS=2 the number of test processes.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?=
# Two more than the number of cores, since tests wait for browsers and servers. tests/sharing.py distributes the tests.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
PAGES ?=
DJANGO ?=
TAG ?=
MINUTES ?= 10
TARGET ?= all
STORE ?=
BIN := .venv/bin
PINS := requirements-dev.txt
#: Stamp files: an installation is out of date if pyproject.toml, setup.cfg, the pins or the scanner are newer.
PROJECT := .venv/.project-installed
TOOLS := .venv/.tools-installed
#: The packages in which a mistake would leak a tracker or lose a choice.
GATED := consent_mw/core/*,consent_mw/html/*,consent_mw/http/*,consent_mw/cookies/*,consent_mw/records/*,consent_mw/proof/*,consent_mw/web/*
GATE := 95

# Some containers set this, but tests start hundreds of processes, and each would compile the package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-fast tests collected lint format bench bench-quick packages npm docs fuzz sanitize generated generated-check dist clean

help:
	@sed -n '2,/^$$/s/^# \{0,1\}//p' Makefile

$(PROJECT): pyproject.toml setup.cfg setup.py consent_mw/html/_scan.c $(PINS) .ci/venv
	@.ci/venv project "$(PYTHON)"
	@touch $@

$(TOOLS): $(PROJECT)
	@.ci/venv tools "$(PYTHON)" "$(DJANGO)"
	@touch $@

packages:
	@.ci/packages

npm: packages
	@.ci/npm

demo: $(PROJECT)
	@exec $(BIN)/python -m demo_site

lint: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(TOOLS)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

tests: $(TOOLS) packages npm collected
	rm -f .coverage .coverage.*
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope -raR --cov --cov-report= --durations=10
	$(BIN)/coverage report --skip-covered | tail -n 60
	@echo "Gate: $(GATE) % of lines and branches where a mistake would leak a tracker or lose a choice."
	$(BIN)/coverage report --include='$(GATED)' --fail-under=$(GATE)

# Compile all tests once, so that not every process does it. Errors are ignored here, since the tests report them.
collected: $(TOOLS)
	@$(BIN)/python -m pytest --collect-only -q >/dev/null 2>&1 || true

# mypy uses one core for a minute or more, which the tests leave idle now and then.
test: $(TOOLS)
	@$(MAKE) --no-print-directory -j2 lint tests

test-fast: $(TOOLS)
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope -q -m "not browser and not slow"

bench: $(TOOLS) npm
	$(BIN)/python -m benchmarks --write docs/benchmarks.md $(if $(PAGES),--pages "$(PAGES)")

bench-quick: $(TOOLS)
	$(BIN)/python -m benchmarks --quick $(if $(STORE),--store)

sanitize: $(TOOLS)
	$(BIN)/python -m tools.sanitize_scan --minutes $(MINUTES)

fuzz: $(TOOLS)
	$(BIN)/python -m fuzz $(TARGET) --minutes $(MINUTES)

docs: $(TOOLS)
	$(BIN)/zensical build --strict

#: The programs that generate files in the repository. Each has the option --check.
GENERATORS := tools.build_scripts tools.catalogue_page tools.decision_index tools.editor_messages tools.locale_data tools.state_table

generated: $(TOOLS)
	@for one in $(GENERATORS); do $(BIN)/python -m $$one; done

generated-check: $(TOOLS)
	@for one in $(GENERATORS); do $(BIN)/python -m $$one --check; done

dist: $(TOOLS)
	$(if $(TAG),$(BIN)/python -m tools.release_check "$(TAG)")
	rm -rf dist
	CONSENT_MW_PURE=1 $(BIN)/python -m build --outdir dist .

clean:
	rm -rf .venv tests/npm/node_modules build dist *.egg-info .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
	rm -f consent_mw/html/_scan.*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
