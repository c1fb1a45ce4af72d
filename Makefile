# Set-up and everyday commands. Each target makes the virtual environment it needs; nothing else is touched.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
RUN_EXTRAS := local,encoders
DEV_EXTRAS := local,align,encoders,transformers,report,parquet,tracking,dev

.PHONY: demo test browser check bench format clean help

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade pip

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[$(RUN_EXTRAS)]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt --editable '.[$(DEV_EXTRAS)]'
	touch $@ $(VENV)/.run

demo: $(VENV)/.run  ## a fine-tuned LLM, an encoder, and both together on the sample corpus, ending in a leaderboard
	$(BIN)/harness models fetch smollm2-135m
	$(BIN)/harness run --model smollm2-135m --prompt compact --adapter compact-smollm2 --dataset sample
	$(BIN)/harness run --model atlop-minilm --dataset sample
	$(BIN)/harness run --model smollm2-135m --prompt choice --refine atlop-minilm --dataset sample
	$(BIN)/harness leaderboard --dataset sample

test: $(VENV)/.dev  ## install everything and run all tests
	$(BIN)/harness models fetch smollm2-135m
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile $(PYTEST_ARGS)

browser:  ## install Chromium and its driver from the distribution, for the tests of the report
	.ci/browser

check: $(VENV)/.dev  ## what CI runs before the tests: format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/.dev  ## rewrite the sources in the project's style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev  ## speed and memory, as ratios measured in one run
	$(BIN)/python -m tests.bench $(BENCH_ARGS)

clean:  ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
