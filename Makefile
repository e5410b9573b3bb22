# joulemark: `make quickstart` measures, `make test` tests. Both set up .venv first, once.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
RESULTS ?= results/quickstart
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help quickstart test check format bench clean

help:  ## Show this
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

quickstart: $(VENV)/.run  ## Measure eleven small real models on ten tasks and report (minutes)
	$(BIN)/joulemark run quickstart --out $(RESULTS)
	$(BIN)/joulemark report $(RESULTS)

test: $(VENV)/.test  ## Run all tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.check  ## Format, lint, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.check  ## Rewrite files in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test  ## What the program itself costs and how far off it is (add PEERS=--peers for other tools)
	@for program in benchmarks/*.py; do $(BIN)/python $$program || exit 1; done
	$(BIN)/python benchmarks/overhead/run.py $(PEERS)
	$(BIN)/python benchmarks/accuracy/run.py --windows 0.1,1,4 $(PEERS)

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

$(VENV)/.check: $(VENV)/.test
	$(PIP) --editable '.[all,test,check]'
	@touch $@
