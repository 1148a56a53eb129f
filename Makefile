# Every target makes .venv if it is missing or older than the lock file: with uv where it is
# on the PATH, else with venv and pip. Then nothing is installed and a target starts at once.
#
#   make test ARGS="tests/config -x"     further arguments of the program that a target runs
#   make install PYTHON=python3.12       another Python, from 3.11 to 3.13

ARGS ?=
PYTHON ?= python3
# Which tests `make test` takes; empty takes all.
MARK ?= not slow

BIN := .venv/bin
INSTALLED := .venv/.installed
PEER := .venv/.peer
LABEL_STUDIO_VERSION := 1.23.2
LABEL_STUDIO := var/label-studio/$(LABEL_STUDIO_VERSION)/bin/label-studio
UV := $(shell command -v uv 2>/dev/null)
# uv finds a Python that fits by itself, unless one was asked for.
UV_PYTHON_OPTION := $(if $(filter command environment,$(firstword $(origin PYTHON))),--python $(PYTHON))

.DEFAULT_GOAL := help
.PHONY: help install demo kafka test test-label-studio test-slow lint format bench bench-asking chaos dashboards screenshots clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Make .venv with everything that is needed

demo: $(INSTALLED) ## Watch a real stream being learned, killed and recovered
	@$(BIN)/stream-cl demo $(ARGS)

kafka: $(INSTALLED) ## Run an Apache Kafka broker in the foreground; its data stays
	@$(BIN)/python -m stream_cl.testing.kafka_broker $(ARGS)

test: $(INSTALLED) ## Run the quick tests
	@$(BIN)/pytest -m "$(MARK)" $(ARGS)

# Label Studio has dependencies of its own, which would not go together with ours.
test-label-studio: $(INSTALLED) $(LABEL_STUDIO) ## Run the tests against a real Label Studio
	@STREAM_CL_LABEL_STUDIO=$(abspath $(LABEL_STUDIO)) $(BIN)/pytest tests/label_studio --timeout=900 $(ARGS)

test-slow: $(INSTALLED) ## Run the tests that take minutes
	@$(BIN)/pytest -m slow $(ARGS)

lint: $(INSTALLED) ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(INSTALLED) ## Format the code and repair what can be repaired
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

bench: $(INSTALLED) ## Measure speed and accuracy
	@$(BIN)/python -m load_tests.bench $(ARGS)

# scikit-activeml is installed for the part that needs it alone.
bench-asking: $(INSTALLED) $(if $(or $(findstring peer,$(ARGS)),$(if $(strip $(ARGS)),,all)),$(PEER)) ## Measure how well it asks
	@$(BIN)/python -m load_tests.asking $(ARGS)

chaos: $(INSTALLED) ## Break a pipeline on Kafka for a quarter of an hour, and prove what it left
	@$(BIN)/python -m load_tests.chaos $(ARGS)

dashboards: $(INSTALLED) ## Render dashboards and alerts into deploy/
	@$(BIN)/python -m stream_cl.observe.dashboards.render
	@$(BIN)/stream-cl dashboards export --out deploy --force

screenshots: $(INSTALLED) ## Take the pictures of our pages for the documents, with Chromium
	@$(BIN)/python -m load_tests.screenshots $(ARGS)

clean: ## Remove .venv and everything that was built
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find stream_cl tests load_tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml uv.lock
ifneq ($(UV),)
	@echo "installing into .venv with uv" >&2
	@$(UV) sync --frozen --quiet $(UV_PYTHON_OPTION)
else
	@echo "installing into .venv with pip; this takes minutes" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@$(BIN)/python .ci/constraints.py uv.lock > .venv/constraints.txt
	@$(BIN)/python -m pip install --quiet --constraint .venv/constraints.txt --group dev --editable .
endif
	@touch $@

$(PEER): $(INSTALLED)
ifneq ($(UV),)
	@$(UV) sync --frozen --quiet --group peer $(UV_PYTHON_OPTION)
else
	@$(BIN)/python -m pip install --quiet --constraint .venv/constraints.txt --group peer
endif
	@touch $@

$(LABEL_STUDIO):
	@echo "installing Label Studio $(LABEL_STUDIO_VERSION) into $(dir $(@D)); 800 MB" >&2
ifneq ($(UV),)
	@$(UV) venv --quiet --clear $(UV_PYTHON_OPTION) $(dir $(@D))
	@$(UV) pip install --quiet --python $(@D)/python label-studio==$(LABEL_STUDIO_VERSION)
else
	@$(PYTHON) -m venv --clear $(dir $(@D))
	@$(@D)/python -m pip install --quiet label-studio==$(LABEL_STUDIO_VERSION)
endif
