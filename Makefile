PYTHON ?= python3
SUITE ?= quick
RUN := .venv/bin/python -m
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help setup benchmark smoke test test-slow test-long bench check docs format lock

help:  ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

setup: $(READY)  ## make .venv from the lock

$(READY): requirements.txt pyproject.toml
	rm -f $@
	$(PYTHON) -m venv .venv
	$(RUN) pip install --quiet --disable-pip-version-check -r requirements.txt
	$(RUN) pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

benchmark: $(READY)  ## set up, prepare the data, run the suite (SUITE=quick), report
	$(RUN) flows.cli run --suite $(SUITE)

smoke: $(READY)  ## the whole pipeline on synthetic data, in seconds
	$(RUN) flows.cli run --suite smoke

test: $(READY)  ## the fast tests
	$(RUN) pytest -q -n 2 --dist loadfile

test-slow: $(READY)  ## the whole pipeline, kills, a real server, spoiled settings: half an hour
	$(RUN) pytest -q -m slow

test-long: $(READY)  ## before a release: nights, clusters, lost servers, planted secrets; half an hour
	$(RUN) pytest -q -m long

bench: $(READY)  ## time everything side by side, on a quiet machine; writes benchmarks/results.md
	.venv/bin/python -m benchmarks.bench

check: $(READY)  ## lint, format, types, import layers, names; changes nothing
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	.venv/bin/lint-imports
	$(RUN) pytest -q tests/test_words.py

docs: $(READY)  ## the site of the documents, in site/; fails on a broken link
	NO_MKDOCS_2_WARNING=1 $(RUN) mkdocs build --strict --quiet

lock:  ## bring the lock in step with pyproject.toml (needs uv); torchvision is built for one torch
	printf 'torch==2.14.1\ntorchvision==0.29.1\nnumpy<2.5\n' | uv pip compile --quiet --universal --fork-strategy fewest \
		--python-version 3.11 --all-extras --no-header --no-annotate --constraints - --output-file requirements.txt pyproject.toml

format: $(READY)  ## put the code in order
	$(RUN) ruff check --fix .
	$(RUN) ruff format .
