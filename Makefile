# Every target sets up what it needs in .venv; only the package registry is used.
PYTHON ?= python3
BIN := .venv/bin

unexport PYTHONDONTWRITEBYTECODE # dozens of processes import the package: compile it once

.PHONY: demo test test-slow test-gpu bench-gpu lint docs site clean

demo: .venv/ready
	$(BIN)/python evaluate.py --ttd

test: .venv/ready
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not slow"

test-slow: .venv/app
	$(BIN)/python -m pytest -n auto --dist worksteal -m slow

test-gpu: .venv/ready
	$(BIN)/python -m pytest -m gpu

bench-gpu: .venv/ready
	$(BIN)/python -m benchmarks gpu

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# the pages and tables that are made of the code
docs: .venv/ready
	$(BIN)/python docs/makers/metrics_page.py > docs/metrics.md.new
	mv docs/metrics.md.new docs/metrics.md
	$(BIN)/python docs/makers/tables.py

# the documentation as a site, in build/site
site: .venv/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --config-file docs/makers/mkdocs.yml

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev,docs,notebooks]"
	touch $@

.venv/app: .venv/ready
	$(BIN)/python -m pip install --quiet --editable ".[app]"
	touch $@

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
