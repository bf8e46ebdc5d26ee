# Everything below works on a machine with Python 3.11+ and make alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK = $(BIN)/uv pip compile -q --generate-hashes --universal --python-version 3.11 --no-annotate --no-header
.DEFAULT_GOAL := help
.PHONY: audit sbom help demo dev test test-any-day check lint types contracts docs docs-site lock clean proof packages release-check simulate mutations lighthouse mail-score bench bench-quick

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | expand -t 12

demo: $(VENV)/.local ## Run the main job from nothing and show what arrived in Omi
	$(BIN)/omi-inbox demo

dev: $(VENV)/.local ## Run the whole stack here until Ctrl-C
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/omi-inbox dev

test: $(VENV)/.dev ## Run all tests
	$(BIN)/python -m pytest

test-any-day: $(VENV)/.dev ## The tests in which dates matter, on other days, in other time zones and locales
	$(BIN)/python -m tests.any_day

check: lint types contracts docs-site audit test ## Style, types, import contracts, tests

lighthouse: $(VENV)/.dev ## Lighthouse's figures for the user's pages (needs node; installs it from npm)
	$(BIN)/python -m tests.browser.lighthouse

mail-score: $(VENV)/.dev ## How well history is cut, beside the libraries, on the half that nobody looked at
	$(BIN)/python -m tests.mail_score

proof: $(VENV)/.dev ## Prove that nothing is lost or doubled (about ten minutes)
	$(BIN)/python -m tests.proof

simulate: $(VENV)/.dev ## Random histories under seeds, replayable: make simulate SEEDS=1-40
	$(BIN)/python -m tests.proof.simulate --seeds $(or $(SEEDS),1-20)

mutations: $(VENV)/.dev ## Build faults into the engine; each has to be found by the histories
	$(BIN)/python -m tests.proof.simulate --seeds 1-40 --mutations

bench: $(VENV)/.dev ## Measure speed beside references and other queues (about twenty minutes; installs the queues)
	$(BIN)/python -m benchmarks --write

bench-quick: $(VENV)/.dev ## The same table from fewer rounds
	$(BIN)/python -m benchmarks --quick

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tests.lua

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

audit: $(VENV)/.dev ## Known weaknesses of what is installed (pip-audit; says so where its database is out of reach)
	$(BIN)/python -m tests.audit

sbom: $(VENV)/.dev ## What the image holds, as CycloneDX, and its licences
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible -o build/sbom.json
	$(BIN)/python -m tests.licences > build/licences.md
	@echo build/sbom.json build/licences.md

docs: $(VENV)/.local ## Write the generated parts of docs/ anew
	$(BIN)/python -m tests.write_docs

docs-site: $(VENV)/.dev ## Build the documents as a site in build/site; a warning is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir build/site

packages: $(VENV)/.dev ## Build the client and the sandbox as distributions of their own
	$(BIN)/python -m packages.build

lock: $(VENV)/.dev ## Write the lock files anew from pyproject.toml
	$(LOCK) --extra alerts --extra local --extra otel --extra sentry pyproject.toml -o requirements.lock
	$(LOCK) --extra local pyproject.toml -o requirements-local.lock
	$(LOCK) --extra dev pyproject.toml -o requirements-dev.lock

release-check: $(VENV)/.dev ## Build what would be published, install it in a clean environment, run its demo
	$(BIN)/python -m tests.release_check

clean: ## Remove what was installed and made here
	rm -rf $(VENV) .dev .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; say which one: make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "set-up 1/2: a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.local: $(VENV)/.made requirements-local.lock pyproject.toml
	@echo "set-up 2/2: installing what the application and its local stack need"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-local.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.local requirements-dev.lock
	@echo "set-up: installing what the tests and checks need"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@
