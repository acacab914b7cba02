# What a working day needs. Continuous integration (.ci/run) calls these and nothing else.
.DEFAULT_GOAL := help
.PHONY: help run test check bench lock clean
# Compiled once, not at each of the hundreds of starts of a test run.
unexport PYTHONDONTWRITEBYTECODE
PORT ?= 8420
ARGS ?=

help:  ## list these targets
	@awk -F ':  ## ' '/^[a-z]+:  ## / { printf "  make %-6s %s\n", $$1, $$2 }' Makefile

run:  ## start a server on this machine (PORT=8420), with its data in .keyturn
	@tools/setup run
	@exec tools/run $(PORT)

test:  ## run every test, with the real clients (ARGS="tests/client -k netrc" for some)
	@tools/setup test
	@.venv/bin/python -m pytest -n 2 --dist worksteal $(ARGS)

check:  ## formatting, lint, types and import rules, in seconds
	@tools/setup check
	@tools/check

bench:  ## measure the hot path, the command line and git against their peers
	@tools/setup test
	@.venv/bin/python -m bench $(ARGS)

lock:  ## pin the dependencies of pyproject.toml anew, with their hashes (needs uv)
	@tools/lock $(ARGS)

clean:  ## remove what the other targets made, except the server's data
	@rm -rf .venv .venv-run .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache tests/interop/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
