# Every command a contributor needs; `make` alone lists them.
# Works with uv where it is installed and with plain pip where it is not.

VENV := .venv
BIN := $(VENV)/bin
LITELLM := .venv-litellm
WORKERS ?= auto
ARGS ?=

# Each candidate is run, not only looked for: a version manager's shim may exist and still start nothing.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$python && break; done)

.DEFAULT_GOAL := help
.PHONY: help demo test check bench clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.installed  ## install and run the main study on recorded traffic
	$(BIN)/latlab demo

test: $(VENV)/.installed-dev $(LITELLM)/.installed  ## run every test (ARGS="-k cache" passes options to pytest)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: $(VENV)/.installed-dev  ## lint, formatting, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed  ## the lab's speed beside bare SimPy, and the server's beside bare servers
	$(BIN)/python bench/sim_throughput.py
	$(BIN)/python -m bench.server

clean:  ## remove the environment, the caches and every study but results/reference
	rm -rf $(VENV) $(LITELLM) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	if [ -d results ]; then find results -mindepth 1 -maxdepth 1 ! -name reference -exec rm -rf {} +; fi

# $(call install,WHAT): pip brings uv into a venv of its own where the machine has none, since uv is far
# quicker; plain pip remains for a machine on which that fails.
define install
	if uv --version >/dev/null 2>&1; then \
		uv pip install --quiet --compile-bytecode --python $(1)/bin/python -c $(2) $(3); \
	else \
		{ $(1)/bin/python -m pip install --quiet uv && \
		  $(1)/bin/uv pip install --quiet --compile-bytecode --python $(1)/bin/python -c $(2) $(3); } || \
		$(1)/bin/python -m pip install --quiet -c $(2) $(3); \
	fi
endef

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV) (once)" >&2
	@$(call install,$(VENV),constraints.txt,-e .)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing into $(VENV) with the development tools (once)" >&2
	@$(call install,$(VENV),constraints.txt,-e '.[dev]')
	@touch $(VENV)/.installed $@

# LiteLLM pins much, so it has an environment of its own, which only its example needs.
$(LITELLM)/.installed: examples/clients/litellm-constraints.txt | $(BIN)/python
	@echo "installing LiteLLM into $(LITELLM) (once)" >&2
	@rm -rf $(LITELLM)
	@uv venv --quiet --python $(BIN)/python $(LITELLM) 2>/dev/null || $(BIN)/python -m venv $(LITELLM)
	@$(call install,$(LITELLM),$<,litellm)
	@touch $@

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "make: no Python 3.11 or newer found: install one, or name it with 'make PYTHON=/path/to/python3.11'" >&2; exit 1; fi
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "make: PYTHON=$(PYTHON) is not a Python 3.11 or newer: name another one" >&2; exit 1; }
	@rm -rf $(VENV)
	@if uv --version >/dev/null 2>&1; then \
		uv venv --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')" $(VENV); \
	else \
		$(PYTHON) -m venv $(VENV); \
	fi
