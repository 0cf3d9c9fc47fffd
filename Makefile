# Everything a developer runs. On a fresh Debian only make and Python 3.11 are needed: the rest is set up on demand.
#
#   make demo       the shop and the tracker farm, on loopback; prints where
#   make test       lint, types, every test with coverage; what .ci/run calls
#   make test-fast  no browsers and nothing slow: for every few minutes
#   make bench      the tables of docs/benchmarks.md, measured anew (PAGES=folder adds pages of your own)
#   make bench-quick  in three minutes, what a site keeps of its speed; fails where that got 15 % worse (STORE=1 stores it)
#   make lint       ruff and mypy only
#   make fuzz       look for pages, style sheets, cookies and settings that break it (MINUTES=10, TARGET=all)
#   make sanitize   the scanner in C under the address and undefined-behaviour sanitizers (MINUTES=10; needs gcc)
#   make docs       the documentation as a site in build/site, strictly
#   make generated  write every generated file anew; generated-check says which differ
#   make dist       the wheel for every platform and the source archive in dist/ (TAG=v1.2.3 checks what is released)
#   make format     let ruff repair what it can
#   make clean      remove what the above made
#
# PYTHON=python3.12 chooses the interpreter of a new .venv, DJANGO=4.2 its Django; WORKERS=2 the number of test processes.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?=
# One more than there are cores: tests wait for browsers and servers. tests/sharing.py shares them out.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PAGES ?=
DJANGO ?=
TAG ?=
MINUTES ?= 10
TARGET ?= all
STORE ?=
BIN := .venv/bin
PINS := requirements-dev.txt
#: The stamps say for which pyproject.toml, setup.cfg, pins and scanner the installation was made.
PROJECT := .venv/.project-installed
TOOLS := .venv/.tools-installed
#: The parts whose failure would leak a tracker or lose a choice.
GATED := consent_mw/core/*,consent_mw/html/*,consent_mw/http/*,consent_mw/cookies/*,consent_mw/records/*,consent_mw/proof/*,consent_mw/web/*
GATE := 95

# Some containers forbid compiled files; tests start hundreds of programs, and each would compile the package anew.
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

tests: $(TOOLS) packages npm
	rm -f .coverage .coverage.*
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope -raR --cov --cov-report= --durations=10
	$(BIN)/coverage report --skip-covered | tail -n 60
	@echo "Gate: $(GATE) % of lines and branches where a mistake would leak a tracker or lose a choice."
	$(BIN)/coverage report --include='$(GATED)' --fail-under=$(GATE)

# Compiles all tests on a core that lint leaves free; what cannot be collected says so when the tests run.
collected: $(TOOLS)
	@$(BIN)/python -m pytest --collect-only -q >/dev/null 2>&1 || true

test: $(TOOLS)
	@$(MAKE) --no-print-directory -j2 lint collected
	@$(MAKE) --no-print-directory tests

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

#: The programs that write a file of the repository; each knows --check.
GENERATORS := tools.build_scripts tools.catalogue_page tools.decision_index tools.locale_data tools.state_table

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
