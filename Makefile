# Everything here needs Python 3.11 or newer and make, nothing else.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check catalogue plants fuzz checkov bench faults simulate emulators \
	bundle sbom doctor lock clean

FEED ?=
PORT ?=
ARGS ?=
AUDIT ?=

BIN := .venv/bin
RUNTIME := .venv/.installed-runtime
DEV := .venv/.installed-dev

# Each candidate is started, not only found: a shim on the PATH may lead nowhere, and some
# distributions ship Python without ensurepip, which a virtual environment needs.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	if $$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$p; break; fi; done)
NO_PYTHON := Sapphire needs Python 3.11, 3.12 or 3.13 with its venv module \
	(on Debian and Ubuntu: apt install python3-venv); none was found on the PATH

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1@\2/p' $(MAKEFILE_LIST) | awk -F@ '{printf "%-18s %s\n", $$1, $$2}'
	@echo "  variables: FEED=simulated|live  PORT=8080  ARGS='more options of sapphire run'  PYTHON=python3.12"

run: $(RUNTIME) ## start everything on http://127.0.0.1:8080 (FEED=live for real prices); Ctrl-C stops
	@exec $(BIN)/sapphire run $(if $(FEED),--feed $(FEED)) $(if $(PORT),--port $(PORT)) $(ARGS)

# These run apart: counting lines would make their hundreds of thousands of steps crawl.
UNCOUNTED := tests/simulation tests/faults tests/catalogue tests/cloud

test: $(DEV) ## every test, warnings as errors, with the coverage gates (ARGS for pytest)
	@rm -f coverage.json
	@$(BIN)/python -m pytest -n 2 --dist loadgroup -q $(UNCOUNTED:%=--ignore=%) \
		--cov --cov-report=json:coverage.json $(ARGS)
	@$(BIN)/python -m pytest -n 2 -q $(UNCOUNTED)
	@$(BIN)/python tools/coverage_gates.py coverage.json
	@$(PYTHON) tools/run_checkov.py

check: $(DEV) ## format, lint, types, directions, architecture, locks, secrets, known vulnerabilities
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q tests/architecture tests/unit/tools/test_lock.py
	$(BIN)/python tools/secret_scan.py
	$(BIN)/python tools/audit.py $(AUDIT)


catalogue: $(DEV) ## the 112 cases of bad input: tests, results, and which have no test yet
	@exec $(BIN)/python tools/catalogue.py $(ARGS)

plants: $(DEV) ## plant misconfigurations of the cloud; exit 1 when one is not caught
	@exec $(BIN)/python -m tests.cloud $(ARGS)

fuzz: $(DEV) ## random requests against every route of the API; no answer may be a 5xx
	@exec $(BIN)/python -m tests.fuzz $(ARGS)

checkov: ## checkov over terraform/, in an environment of its own
	$(if $(PYTHON),,$(error $(NO_PYTHON)))
	@$(PYTHON) tools/run_checkov.py

bench: $(DEV) ## benchmarks, with the goals beside the figures
	@exec $(BIN)/python -m bench $(ARGS)

faults: $(DEV) ## every venue against every fault; a table, and exit 1 when anything is broken
	@exec $(BIN)/python -m tests.faults $(ARGS)

simulate: $(DEV) ## the whole pipeline under faults, SEEDS=2000 runs, the planted defects, the figures
	@exec $(BIN)/python -m tests.simulation $(ARGS)

emulators: $(RUNTIME) ## start the official Firestore and Pub/Sub emulators, print their env lines
	@exec $(BIN)/sapphire emulators $(ARGS)

bundle: $(DEV) ## build the deployed zip into build/, named by its hash
	@exec $(BIN)/python tools/bundle.py $(ARGS)

sbom: $(DEV) ## write build/sbom.json, a CycloneDX bill of what is deployed
	@mkdir -p build
	@$(BIN)/python tools/sbom.py > build/sbom.json
	@echo build/sbom.json

doctor: $(RUNTIME) ## what a Google Cloud project still lacks (ARGS='--project P', or --local)
	@exec $(BIN)/sapphire doctor $(ARGS)

lock: ## lock requirements*.in again, with hashes, for Python 3.11 to 3.13 (needs uv)
	uv pip compile $(LOCK) requirements.in -o requirements.txt
	uv pip compile $(LOCK) requirements-dev.in -o requirements-dev.txt
	uv pip compile $(LOCK) requirements-checkov.in -o requirements-checkov.txt

LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-strip-extras --custom-compile-command 'make lock' --quiet

clean: ## remove .venv, .sapphire (the local state!) and every cache
	rm -rf .venv .venv-checkov .sapphire .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -rf build dist *.egg-info .coverage .coverage.* coverage.json htmlcov
	find . -name __pycache__ -type d -not -path './*/node_modules/*' -prune -exec rm -rf {} +

$(RUNTIME): requirements.txt pyproject.toml
	$(if $(PYTHON),,$(error $(NO_PYTHON)))
	@$(PYTHON) tools/install.py runtime

$(DEV): requirements-dev.txt pyproject.toml
	$(if $(PYTHON),,$(error $(NO_PYTHON)))
	@$(PYTHON) tools/install.py dev
