# `make` prints this help. Everything runs in .venv, made by uv from uv.lock.

UV_VERSION := 0.13.9
UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
# uv would fetch an interpreter of its own if it found none; name the one that is here.
PYTHON := $(firstword $(foreach name,$(or $(SLIPWAY_PYTHON),python3 python3.13 python3.12 python3.14 python3.11),\
	$(shell $(name) -c 'import sys; assert (3, 11) <= sys.version_info[:2] < (3, 15); print(sys.executable)' 2>/dev/null)))
SYNC := $(UV) sync --frozen --python "$(PYTHON)"
# uv links files from its cache, which is ten times faster than to copy them. nltk refuses linked files, and
# LlamaIndex's splitters read some: those become files of their own.
OWN_NLTK_FILES := find .venv/lib/python*/site-packages/llama_index/core/_static -type f -links +1 \
	-exec cp -p {} {}.own \; -exec mv -f {}.own {} \;
RUN := .venv/bin
PACKAGES := cli/src ingest/src libs/kit/src migrations/src services/model-server/src services/rag-api/src

.DEFAULT_GOAL := help
.PHONY: help setup demo up down test lint format types env-example demo-picture bench-rag calibrate setup-dev clean uv

##@ Use
help: ## Print this help
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: setup ## Start everything, ingest examples/handbook, ask a question, print the cited answer
	@$(RUN)/slipway demo

up: setup ## Start everything and stay in the foreground (Ctrl-C stops it)
	@$(RUN)/slipway up

down: ## Stop every process that Slipway started here
	@if [ -x $(RUN)/slipway ]; then $(RUN)/slipway down; else echo "Nothing was set up here."; fi

##@ Work
test: lint types ## Run every check that needs no cluster and no GPU
	@$(RUN)/pytest -n 2 --dist loadfile -q

lint: setup-dev ## Check style, layers and the lock
	@$(RUN)/ruff check --quiet .
	@$(RUN)/ruff format --quiet --check .
	@$(RUN)/lint-imports --no-logo >/dev/null || $(RUN)/lint-imports
	@$(UV) lock --quiet --check --python "$(PYTHON)"

types: setup-dev ## Check types, strictly
	@$(RUN)/mypy --no-error-summary $(PACKAGES) tests bench docs examples

format: setup-dev ## Format the code and mend what can be mended
	@$(RUN)/ruff check --quiet --fix . ; $(RUN)/ruff format --quiet .

env-example: setup-dev ## Write .env.example from the settings
	@$(RUN)/python docs/env_example.py

demo-picture: setup-dev ## Draw docs/demo.svg from a run of the demo
	@$(RUN)/python docs/demo_picture.py

##@ Measure
bench-rag: setup-dev ## Write stage beside LlamaIndex's PGVectorStore; search speed and recall at 20k chunks
	@UV="$(UV)" $(RUN)/python bench/rag.py

calibrate: setup-dev ## Fit the weights of the evidence to the development questions (while Slipway runs)
	@$(RUN)/python bench/evidence.py

##@ Environment
setup: uv ## Create .venv from the lock
	@if [ -x $(RUN)/slipway ]; then $(SYNC) --quiet --inexact; else \
		echo "Creating .venv from uv.lock …"; $(SYNC); fi
	@$(OWN_NLTK_FILES)

setup-dev: uv
	@$(SYNC) --quiet --group dev
	@$(OWN_NLTK_FILES)

clean: down ## Stop everything and delete .venv and .slipway (the data too)
	rm -rf .venv .uv .slipway

uv:
	@if [ -z "$(PYTHON)" ]; then \
		echo "No Python 3.11 to 3.14 was found. Install one, or name it: make SLIPWAY_PYTHON=/path/to/python3 …" >&2; exit 1; fi
	@command -v uv >/dev/null 2>&1 || [ -x .uv/bin/uv ] || { \
		echo "Installing uv $(UV_VERSION) into .uv …"; \
		"$(PYTHON)" -m venv .uv && .uv/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); } || { \
		echo "uv could not be installed. On Debian and Ubuntu 'apt install python3-venv' may be missing;" >&2; \
		echo "or install uv yourself: https://docs.astral.sh/uv/" >&2; exit 1; }
