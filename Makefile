# make run    set up and run the main job (photographs -> verified Core ML packages in exports/quickstart)
# make test   set up and run lint, types and tests: exactly what the continuous integration runs
# make docs   build the documentation as a site in site/ (make docs-serve: serve it, with its search)
# make fuzz   judge 2000 spoilt packages: none may give a traceback or hang (CASES=…, SEED=…)
VENV ?= .venv
BIN  := $(VENV)/bin
# the first Python that the pinned dependencies have builds for
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)

.PHONY: help run test check lint types tests docs docs-serve fuzz setup clean
help:
	@sed -n 's/^# //p' Makefile

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints/tested.txt
	@test -n "$(PYTHON)" || { echo "no Python from 3.11 to 3.13 found: install one, or say make PYTHON=/path/to/python"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints/tested.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints/tested.txt --no-deps einops spandrel
	@touch $@

run: setup
	$(BIN)/pipersr-build run

test: check
check: lint types tests

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

# one process for each core, each with one thread: most tests are too small for more
tests: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

docs-serve: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

CASES ?= 2000
SEED ?= 1
fuzz: setup
	$(BIN)/python -m tests.fuzz.fuzz_packages --cases $(CASES) --seed $(SEED)

clean:
	rm -rf $(VENV) build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
