# The ways in. Every target that runs something sets up what it needs first; doing so again costs nothing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
BIN := .venv/bin

.PHONY: help setup demo regress accept picture test test-slow lint docs clean

help:
	@echo 'make demo       set up, draw the sample and localize it to Japanese'
	@echo 'make test       set up and run the tests'
	@echo 'make test-slow  set up and run the long tests: kills and long videos'
	@echo 'make regress    localize the sample from nothing and compare it with the accepted dub'
	@echo 'make setup      set up only: system packages, .venv, Python packages'
	@echo 'make lint       style, types and import contracts'
	@echo 'make docs       generate the reference pages'
	@echo 'make picture    make the pictures of the README from the demo'
	@echo 'make clean      remove the sample and what builds and tests leave; .venv stays'

setup:
	@scripts/setup.sh

# Written last of the sample's files.
sample/sample.truth.json: $(wildcard tests/presenter/*.py) | setup
	@echo 'Drawing the sample into sample/ (half a minute)' >&2
	@$(BIN)/python -m tests.presenter sample

demo: sample/sample.truth.json
	@$(BIN)/loc run sample/sample.mp4 --lang ja

regress: sample/sample.truth.json
	@$(BIN)/loc regress run sample --lang ja --baseline .ci/accepted.json

# When the sample's dub has changed and is meant to: look at it, then commit the file.
accept: sample/sample.truth.json
	@$(BIN)/loc regress accept sample --lang ja --baseline .ci/accepted.json

picture: demo
	@$(BIN)/python -m tests.presenter --compare sample/sample.mp4 sample/sample.ja.mp4 docs/images/result.jpg
	@$(BIN)/python -m tests.browser sample/sample.ja.report.html docs/images/report.jpg

# One process per core, a file of tests in one of them: its films are drawn once. Four at most, for memory.
# Which files come first says tests/conftest.py.
# pytest ends with 5, and make with 2, when no test ran.
test: setup
	@$(BIN)/python -m pytest -q -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-slow: setup
	@$(BIN)/python -m pytest -q -m slow

lint: setup
	@$(BIN)/ruff check -q
	@$(BIN)/ruff format --check -q
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo | tail -n 2

docs: setup
	@$(BIN)/python -m cli.reference
	@$(BIN)/python -m tests.actions --page

clean:
	rm -rf sample build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
