# Only Python >= 3.11, git and make are needed; everything else is put into folders that git ignores.
# `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
BUF := $(VENV)/bin/buf
# Nothing of the caller's Python reaches ours, and uv takes no configuration but ours.
export PYTHONNOUSERSITE := 1
export UV_NO_CONFIG := 1
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME

PROTOS := $(shell find protos -name '*.proto' 2>/dev/null)
GENERATED := gen/.stamp
RUNTIME := $(VENV)/.stamp-run
TOOLS := $(VENV)/.stamp-dev

.DEFAULT_GOAL := help
.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 18

# --- setting up -------------------------------------------------------------------------------------------------

# The first Python of the machine that is new enough makes the venv; PYTHON=... chooses another.
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

$(VENV)/.stamp-venv: requirements-uv.txt
	@test -n "$(PYTHON)" || { echo "No Python >= 3.11 with venv and pip found: install one, or say make PYTHON=/path/to/python"; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@touch $@

$(RUNTIME): $(VENV)/.stamp-venv requirements.txt pyproject.toml
	@echo "setting up $(VENV)"
	@$(UV) pip install --quiet --python $(PY) --require-hashes -r requirements.txt
	@mkdir -p gen/python
	@$(UV) pip install --quiet --python $(PY) --offline --no-deps --no-build-isolation --editable .
	@touch $@

$(TOOLS): $(RUNTIME) requirements-dev.txt
	@$(UV) pip install --quiet --python $(PY) --require-hashes -r requirements-dev.txt
	@touch $@

# --- generating -------------------------------------------------------------------------------------------------

.PHONY: generate
generate: $(GENERATED) ## typed Python stubs of protos/ under gen/python

$(GENERATED): $(RUNTIME) $(PROTOS) buf.yaml buf.gen.yaml tools/generate.py tools/protoc_gen_grpc_python.py
	@$(PY) -m tools.generate
	@touch $@
