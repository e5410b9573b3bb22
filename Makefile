# joulemark: `make quickstart` measures, `make test` tests. Both set up .venv first, once.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
RESULTS ?= results/quickstart
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

# Hundreds of processes start here: their modules are compiled once, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help quickstart test check format bench gallery clean

help:  ## Show this
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

quickstart: $(VENV)/.run  ## Measure eleven small real models on ten tasks and report (minutes)
	$(BIN)/joulemark run quickstart --out $(RESULTS)
	$(BIN)/joulemark report $(RESULTS)
	@echo
	$(BIN)/joulemark explore $(RESULTS) --out $(RESULTS).html
	@echo "to type joulemark alone: . $(BIN)/activate"

# Four at a time, also on two processors: many wait for a browser or a sensor half of their time. What measures real time
# does so while nothing else runs. Exit code 5: PYTEST_ARGS chose none of them. Both share the miniature models that
# tests build.
test: $(VENV)/.test $(VENV)/.chromium  ## Run all tests
	@cache=$$(mktemp -d) && trap 'rm -rf "$$cache"' EXIT && export JOULEMARK_TEST_CACHE="$$cache" && set -x && \
	{ $(BIN)/python -m pytest -m 'not alone' -n 4 --dist worksteal $(PYTEST_ARGS) || [ $$? = 5 ]; } && \
	{ $(BIN)/python -m pytest -m alone $(PYTEST_ARGS) || [ $$? = 5 ]; }

check: $(VENV)/.check  ## Format, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.check  ## Rewrite files in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test $(VENV)/.chromium  ## What the program itself costs and how far off it is (add PEERS=--peers for other tools)
	@for program in benchmarks/*.py; do $(BIN)/python $$program || exit 1; done
	$(BIN)/python benchmarks/overhead/run.py $(PEERS)
	$(BIN)/python benchmarks/accuracy/run.py --windows 0.1,1,4 $(PEERS)

gallery: $(VENV)/.test $(VENV)/.chromium  ## Take the pictures of docs/gallery anew
	$(BIN)/python tests/explorer/support/gallery.py docs/gallery

clean:  ## Remove what was built; results stay
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later with venv is needed: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "setting up $(VENV) (once; a few minutes)"
	$(PIP) --editable '.[all]'
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(PIP) --editable '.[all,test]'
	@touch $@

# The explorer's tests use the system's Chromium; where it cannot be installed they are skipped and say so.
$(VENV)/.chromium: | $(VENV)/bin/python
	@for program in "$(JOULEMARK_CHROMIUM)" chromium google-chrome; do \
		test -n "$$program" && command -v "$$program" >/dev/null && touch $@ && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing Debian's chromium for the explorer's tests (once)"; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
			chromium fonts-liberation; } >/dev/null && touch $@ && exit 0; fi; \
	echo "the explorer's tests are skipped: they need the package chromium (apt-get install chromium)"

$(VENV)/.check: $(VENV)/.test
	$(PIP) --editable '.[all,test,check]'
	@touch $@
