# Two commands matter: `make demo` and `make test`. `make` alone lists the others.

PYTHON ?= python3
PY := .venv/bin/python
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup up demo test test-unit chaos lint fmt docs bench lock audit-deps clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Create .venv with the locked dependencies (every target does, when they have changed)

$(INSTALLED): pyproject.toml requirements.lock deploy/install.sh
	@sh deploy/install.sh "$(PYTHON)"

up: $(INSTALLED) ## Start everything on this machine; Ctrl-C stops it
	@$(PY) -m deploy.cli up

demo: $(INSTALLED) ## Send a campaign to 5,000 people, kill a sender in the middle, prove that nobody was lost
	@$(PY) -m deploy.demo

test: $(INSTALLED) ## Run all tests in parallel (WORKERS=0: one by one; GODWIT_TEST_BACKEND=embedded, containers or external)
	@$(PY) -m pytest tests --numprocesses=$(or $(WORKERS),auto) --dist=loadfile

test-unit: $(INSTALLED) ## Run the tests that need no servers
	@$(PY) -m pytest tests/unit

chaos: $(INSTALLED) ## Break everything for MINUTES=5 with SEED=1, then prove that nothing was lost and nobody got an email twice
	@$(PY) -m tests.faults.chaos --seed $(or $(SEED),1) --minutes $(or $(MINUTES),5) $(CHAOS)

lint: $(INSTALLED) ## Check formatting, style, types and import contracts
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports

fmt: $(INSTALLED) ## Format the code and fix what can be fixed automatically
	@$(PY) -m ruff format .
	@$(PY) -m ruff check --fix .

docs: $(INSTALLED) ## Generate docs/openapi.json, docs/asyncapi.json and docs/settings.md
	@$(PY) -m deploy.cli docs

bench: $(INSTALLED) ## Measure throughput against a bare server on the same machine
	@$(PY) -m tests.benchmarks

lock: $(INSTALLED) ## Resolve the dependencies into requirements.lock again
	@$(PY) -m uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
		--extra embedded --extra dev pyproject.toml -o requirements.lock

audit-deps: $(INSTALLED) ## Look up the locked dependencies in the database of known vulnerabilities (skipped without internet)
	@$(PY) -m deploy.dependencies.audit

clean: ## Remove .venv and caches; the data in .godwit stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
