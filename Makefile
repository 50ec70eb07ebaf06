# Two commands set everything up on a fresh machine: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CLUSTER := $(BIN)/python -m e2e.cluster

.PHONY: help demo test lint types contracts unit unit-beside e2e soak bench-decisions bench-engine cluster cluster-down cluster-shell images crd reference lock format clean

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-16s %s\n", $$1, $$2}'

demo: $(VENV)/.ready ## A real model on a real cluster: v2 is promoted, v3 and v4 are rolled back
	$(BIN)/python -m e2e.demo

test: lint types contracts ## All tests: lint, types, contracts, unit, end to end
	$(MAKE) --no-print-directory --jobs=2 unit-beside e2e

soak: $(VENV)/.ready ## The exhaustive and long tests that `make test` takes a sample of
	$(BIN)/python -m pytest tests -m soak --numprocesses=auto --dist=loadfile
	$(BIN)/python -m pytest e2e -m soak

lint: $(VENV)/.ready ## Style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.ready ## Types
	$(BIN)/mypy

contracts: $(VENV)/.ready ## Layers
	$(BIN)/lint-imports

unit: $(VENV)/.ready ## Tests without a cluster, on all cores
	$(BIN)/python -m pytest tests --numprocesses=auto --dist=loadfile

# The end-to-end tests mostly wait: what they leave of the machine is enough for the others, which stand back for them.
unit-beside: $(VENV)/.ready
	mkdir -p build
	nice $(MAKE) --no-print-directory unit > build/unit.log 2>&1; outcome=$$?; cat build/unit.log; exit $$outcome

e2e: $(VENV)/.ready ## Tests on a real cluster
	$(BIN)/python -m pytest e2e

bench-decisions: $(VENV)/.ready ## How good the verdicts are, beside what is used today; writes docs/decision-quality.md
	$(BIN)/python -m tests.bench.decision_quality --write docs/decision-quality.md

bench-engine: $(VENV)/.ready ## What a look costs
	$(BIN)/python -m tests.bench.engine_speed

cluster: $(VENV)/.ready ## Start the local cluster, or use the one that KUBECONFIG names
	$(CLUSTER) up

cluster-down: $(VENV)/.ready ## Stop the local cluster and remove all it left
	$(CLUSTER) down

cluster-shell: $(VENV)/.ready ## A shell with kubectl and helm in the cluster's network
	$(CLUSTER) shell

images: $(VENV)/.ready ## Build the operator's and the model's images
	$(CLUSTER) images

reference: crd ## Generate docs/reference and the chart's README from what they describe
	$(BIN)/python -m tests.docs.reference docs/reference
	$(BIN)/python -m tests.rollout.truth_table --write
	$(BIN)/python -m tests.rollout.spec_edits --write
	$(BIN)/python -m tests.chart.readme --write

crd: $(VENV)/.ready ## Generate the CRD from the typed models
	$(BIN)/python -m lossgate.api.crd crds/lossgate.io_modelrollouts.yaml \
		charts/lossgate/files/lossgate.io_modelrollouts.yaml

format: $(VENV)/.ready ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/.ready ## Resolve the locks anew
	$(PYTHON) -m pip install --quiet uv
	uv pip compile $(LOCK_FLAGS) --extra operator --group dev pyproject.toml -o requirements-dev.lock
	uv pip compile $(LOCK_FLAGS) --extra operator pyproject.toml -o operator/requirements.lock
	echo hatchling | uv pip compile $(LOCK_FLAGS) - -o operator/build.lock
	uv pip compile $(LOCK_FLAGS) --group model pyproject.toml -o e2e/model/requirements.lock
	uv pip compile $(LOCK_FLAGS) -c e2e/model/requirements.lock e2e/model/requirements-runtime.in \
		-o e2e/model/requirements-runtime.lock
LOCK_FLAGS := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

clean: ## Remove the environment and what builds left in the tree
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/.ready: requirements-dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version)'
	test -x $(BIN)/pip || $(PYTHON) -m venv $(VENV) || { apt-get install --yes --quiet python3-venv && $(PYTHON) -m venv $(VENV); }
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable . 
	touch $@
