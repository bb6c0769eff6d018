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
# Compiled modules are kept: tests and the cluster start a process of ours some hundred times.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

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

# --- what the tests need besides: test servers, npm clients, Kubernetes tools ------------------------------------

SECANTUS := .venv-secantus/.stamp
MONGO_JAVA := .cache/mongo-java/.stamp
NODE := tests/harness/js/node_modules/.package-lock.json
GO_TOOLS := .tools/bin/kustomize .tools/bin/kubeconform

# A part whose language is not on this machine is left out; the tests that need it say so and skip (with CI=true: fail).
has = $(shell command -v $(1) >/dev/null 2>&1 && echo yes)
TEST_PARTS := $(TOOLS) $(GENERATED) $(SECANTUS)
TEST_PARTS += $(if $(and $(call has,java),$(call has,javac),$(call has,mvn)),$(MONGO_JAVA))
TEST_PARTS += $(if $(call has,npm),$(NODE))
TEST_PARTS += $(if $(call has,go),$(GO_TOOLS))

.PHONY: setup parts
setup: ## everything `make test`, `make lint` and `make manifests` need; a second run installs nothing
	@$(MAKE) --no-print-directory -j4 parts

parts: $(TEST_PARTS)
	@:

# A MongoDB-protocol server under the GPL: a program of its own in a venv of its own, nothing here imports it.
$(SECANTUS): $(VENV)/.stamp-venv requirements-secantus.txt
	@echo "setting up .venv-secantus"
	@test -x $(@D)/bin/python || $(PYTHON) -m venv --without-pip $(@D)
	@$(UV) pip install --quiet --python $(@D)/bin/python --require-hashes -r requirements-secantus.txt
	@touch $@

$(MONGO_JAVA): tests/harness/mongo_java/pom.xml tests/harness/mongo_java/FakeMongo.java
	@echo "fetching and compiling the Java MongoDB imitation"
	@mkdir -p $(@D)
	@mvn --quiet --batch-mode --file tests/harness/mongo_java/pom.xml dependency:copy-dependencies \
		-DoutputDirectory=$(CURDIR)/$(@D)/lib >$(@D)/mvn.log 2>&1 || { cat $(@D)/mvn.log; exit 1; }
	@javac -nowarn -cp '$(@D)/lib/*' -d $(@D)/classes tests/harness/mongo_java/FakeMongo.java
	@touch $@

$(NODE): tests/harness/js/package.json tests/harness/js/package-lock.json
	@echo "fetching the npm clients"
	@npm ci --silent --prefix tests/harness/js
	@touch $@

.tools/bin/kustomize:
	@echo "building kustomize (minutes, once)"
	@mkdir -p $(@D)
	@GOBIN=$(CURDIR)/$(@D) go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.2 >$@.log 2>&1 || { cat $@.log; exit 1; }

.tools/bin/kubeconform:
	@echo "building kubeconform (minutes, once)"
	@mkdir -p $(@D)
	@GOBIN=$(CURDIR)/$(@D) go install github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0 >$@.log 2>&1 || { cat $@.log; exit 1; }

.PHONY: lock
lock: $(RUNTIME) ## renews the hashed requirements from pyproject.toml (UPGRADE="name name" lifts those)
	@$(PY) -m tools.lock $(UPGRADE)

# --- running ----------------------------------------------------------------------------------------------------

.PHONY: run
run: $(RUNTIME) $(GENERATED) ## the whole suite in one process with a signed example (ONCE=1 ends after it)
	@exec $(PY) -m services.embedded $(if $(ONCE),--once)

# --- checking ---------------------------------------------------------------------------------------------------

CODE = $(wildcard services clients bench tests tools)
TYPED = gen/python/intents $(wildcard services clients/python/src bench tools)

.PHONY: lint
lint: $(TOOLS) $(GENERATED) ## format, lint, types, imports, contracts; changes nothing
	@$(VENV)/bin/ruff format --quiet --check --output-format concise $(CODE) || { echo "make format repairs this"; exit 1; }
	@$(VENV)/bin/ruff check --quiet $(CODE)
	@$(VENV)/bin/mypy $(TYPED)
	@$(VENV)/bin/lint-imports --no-logo
	@$(BUF) lint
	@$(BUF) format protos --diff --exit-code
	@$(MAKE) --no-print-directory breaking

.PHONY: breaking
breaking: $(GENERATED) ## protos against the released image; nothing to compare before the first release
	@if test -e protos/released.binpb; then $(BUF) breaking protos --against protos/released.binpb; \
	else echo "protos/released.binpb is not there yet: breaking changes are not looked for"; fi

.PHONY: format
format: $(TOOLS) $(GENERATED) ## fixes what can be fixed of format and lint
	@$(VENV)/bin/ruff check --quiet --fix-only $(CODE)
	@$(VENV)/bin/ruff format $(CODE)
	@$(BUF) format protos --write

.PHONY: release-protos
release-protos: $(GENERATED) ## on purpose only: the contracts as they are now become what later ones may not break
	@$(BUF) build protos --exclude-source-info --output protos/released.binpb
	@ls -l protos/released.binpb

# Many tests wait for processes and servers: three at a time keep two cores busy. Tests that share a heavy server carry
# a group mark; PYTEST="-k name" passes options on.
.PHONY: test
test: setup ## all tests; warnings are errors
	@$(PY) -m pytest -n 3 --dist loadgroup $(PYTEST)

.PHONY: mutants
mutants: setup ## takes each protection out in turn; fails if the test named for it still passes
	@$(PY) -m tests.mutants $(ARGS)

.PHONY: bench
bench: $(TOOLS) $(GENERATED) ## NAME=edge ARGS=--quick
	@$(PY) -m bench $(NAME) $(ARGS)

.PHONY: manifests
manifests: $(TOOLS) $(if $(call has,go),$(GO_TOOLS)) ## renders k8s/ with kustomize, checks it with kubeconform -strict
	@$(PY) -m tools.manifests

# --- packing and tidying ----------------------------------------------------------------------------------------

.PHONY: wheel
wheel: $(RUNTIME) $(GENERATED) ## the server's wheel and the client's under dist/
	@rm -rf dist
	@for project in . clients/python; do \
		$(UV) build --quiet --offline --wheel --no-build-isolation --python $(PY) --out-dir dist $$project; done
	@ls dist/*.whl

.PHONY: clean
clean: ## what was generated, built and cached; the venvs and tools stay
	@rm -rf gen dist run .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find services clients bench tests tools -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

.PHONY: distclean
distclean: clean ## as after a fresh clone
	@rm -rf .venv .venv-secantus .tools .cache tests/harness/js/node_modules
