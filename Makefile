# One verb per thing a developer does; `make` alone lists them. GNU make 3.81 (macOS) is enough.
#
#   make setup PYTHON=/path/to/python3.12     another interpreter (`make clean` first, where .venv exists)
#   make test ARGS='-k frontier -x'           more words for pytest (also fast; and lock, bench for theirs)
#   make test ARGS='-n 0 --pdb'               in one process

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

# The virtual environment is ours alone: what the calling shell has active must not leak into it.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

PYTHON ?=
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
PACKAGE := pyproject.toml src/refnet/__init__.py
NPM := tests/tools/node_modules/.stamp
# The tests mostly wait, for workers and servers: three processes on two cores, each with servers of its own, take less
# than half the time of one. A file is one process's; files go in their order, so that the quick ones come last and all
# end together.
SHARED := -n 3 --dist loadfile --no-loadscope-reorder
# A moved tree or a removed interpreter leaves an environment that no longer runs: it is then made anew.
RUNS := $(shell [ "`cat .venv/.python 2>/dev/null`" = "$(CURDIR)" ] && $(BIN)/python -c 'print("yes")' 2>/dev/null)
COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header $(ARGS)

.PHONY: help setup demo test fast soak check fix lock bench clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

setup: .venv/.dev ## .venv with everything, extras and development tools included
	@echo '.venv is ready'

demo: .venv/.base ## the main job offline on the bundled corpus; ends with a vault
	@$(BIN)/refnet demo

test: .venv/.dev $(NPM) ## the whole test suite, with real servers that it starts itself
	$(BIN)/python -m pytest $(SHARED) $(ARGS)

fast: .venv/.dev $(NPM) ## the part of the tests that takes under three minutes
	$(BIN)/python -m pytest $(SHARED) -m "not slow" $(ARGS)

soak: .venv/.dev ## minutes of faults on purpose; ARGS='-k t01 --seeds 1 --write FILE' chooses, and keeps the figures
	$(BIN)/python -m pytest tests/soak -o faulthandler_timeout=0 $(ARGS)

check: .venv/.dev ## lint, format, types, direction of imports
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports

fix: .venv/.dev ## mend what the linter and the formatter can mend
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

lock: .venv/.uv ## pin the dependencies again; ARGS=--upgrade takes the newest
	@set -eu; uv=`cat .venv/.uv`; export UV_CUSTOM_COMPILE_COMMAND='make lock'; \
	"$$uv" $(COMPILE) --all-extras pyproject.toml requirements/build.in requirements/dev.in -o requirements/dev.txt; \
	"$$uv" $(COMPILE) -c requirements/dev.txt pyproject.toml requirements/build.in -o requirements/base.txt; \
	"$$uv" $(COMPILE) -c requirements/dev.txt --extra web --extra cluster --extra openai --extra anthropic pyproject.toml requirements/build.in \
		-o requirements/server.txt; \
	"$$uv" $(COMPILE) -c requirements/dev.txt pyproject.toml requirements/build.in requirements/bench.in \
		-o requirements/bench.txt; \
	if grep -n '://' requirements/*.txt; then echo 'A lock file names an address; it must not.' >&2; exit 1; fi

bench: .venv/.bench ## the measurements that the notes quote
	$(BIN)/python benchmarks/run.py $(ARGS)

clean: ## remove .venv, caches and builds; vaults stay
	rm -rf .venv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -rf tests/tools/node_modules
	find src tests -type d -name __pycache__ -prune -exec rm -rf {} +

# ---- what the targets above need; a stamp is as new as the last successful installation

# The newest Python that can make a virtual environment.
ifneq ($(RUNS),yes)
.PHONY: .venv/.python
endif
.venv/.python:
	@set -eu; \
	if [ -n "$(PYTHON)" ]; then set -- "$(PYTHON)"; else set -- python3.13 python3.12 python3.11 python3; fi; \
	old=; bare=; chosen=; \
	for candidate; do \
		version=`"$$candidate" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null` || continue; \
		if ! "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then old=$$version; \
		elif ! "$$candidate" -c 'import ensurepip, venv' 2>/dev/null; then bare=$${bare:-$$version}; \
		else chosen=$$candidate; break; fi; \
	done; \
	if [ -z "$$chosen" ]; then \
		if [ -n "$$bare" ]; then \
			echo "Python $$bare cannot make virtual environments here. On Debian: apt install python3-venv" \
				"(for a Python of another origin: python$$bare-venv)." >&2; \
		elif [ -n "$$old" ]; then \
			echo "refnet needs Python 3.11 or newer; this one is $$old." \
				"Install a newer one, or name it: make setup PYTHON=/path/to/python3.12" >&2; \
		else \
			echo "refnet needs Python 3.11 or newer, and none was found as: $$*." \
				"On Debian: apt install python3-venv" >&2; \
		fi; \
		exit 1; \
	fi; \
	echo "Creating .venv with Python $$version"; \
	"$$chosen" -m venv --clear .venv; \
	printf '%s' "$(CURDIR)" >$@

.venv/.base: .venv/.python requirements/base.txt $(PACKAGE)
	@echo 'Installing the pinned dependencies'
	@$(PIP) install --quiet --require-hashes -r requirements/base.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.python requirements/dev.txt $(PACKAGE)
	@echo 'Installing the pinned dependencies, extras and development tools included'
	@$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch .venv/.base $@

.venv/.bench: .venv/.dev requirements/bench.txt
	@echo 'Installing what the measurements need'
	@$(PIP) install --quiet --require-hashes -r requirements/bench.txt
	@touch $@

# Holds the path of uv: the machine's, else one of our own.
.venv/.uv: .venv/.python
	@set -eu; \
	if ! command -v uv >$@; then $(PIP) install --quiet uv; echo $(BIN)/uv >$@; fi

# Without npm, or without its registry, the tests that need it skip; under REFNET_REQUIRE_ALL=1 that is a failure.
$(NPM): tests/tools/package.json
	@set -u; cd tests/tools; \
	if ! command -v npm >/dev/null; then echo 'npm is not installed: the tests that need it will not run.' >&2; \
	elif npm install --no-package-lock --no-audit --no-fund --loglevel=error --fetch-retries=1; then touch node_modules/.stamp; \
	else echo 'npm could not install what the tests need: those tests will not run.' >&2; fi
