# make run    set up and run the main job (photographs -> verified Core ML packages in exports/quickstart)
# make test   set up and run lint, types and tests: exactly what the continuous integration runs
# make docs   build the documentation as a site in site/ (make docs-serve: serve it, with its search)
# make coverage     the tests with every line watched; fails below 90 %, keeps the record behind docs/reference/coverage.md
# make test-floor   the tests with the lowest versions that pyproject.toml allows, in .venv-floor
# make test-newest  the tests with the newest versions that it allows, in .venv-newest
# make fuzz   judge 2000 spoilt packages: none may give a traceback or hang (CASES=…, SEED=…)
VENV ?= .venv
BIN  := $(VENV)/bin
# the first Python that the pinned dependencies have builds for
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && { echo $$p; break; }; done)

.PHONY: help run test check lint types tests coverage test-floor test-newest docs docs-serve fuzz setup clean
help:
	@sed -n 's/^# //p' Makefile

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints/tested.txt
	@test -n "$(PYTHON)" || { echo "no Python from 3.11 to 3.13 found: install one, or say make PYTHON=/path/to/python"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints/tested.txt -e '.[dev]'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints/tested.txt --no-deps einops spandrel
	@# coreai-torch has builds for Linux on x86-64 and for macOS from 26 on: elsewhere all else is tested
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints/tested.txt -e '.[coreai]' || \
		echo "set up without Core AI, whose converter has no build for this system: its tests are skipped"
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

# one process for each core, each with one thread: most tests are too small for more. Files start in their order, in
# which those with the longest tests (integration) come early, so that no process is left with one of them at the end
PYTEST := -m pytest -n auto --dist loadfile --no-loadscope-reorder
tests: setup
	OMP_NUM_THREADS=1 $(BIN)/python $(PYTEST)

coverage: setup
	rm -f .coverage .coverage.* && mkdir -p build
	OMP_NUM_THREADS=1 $(BIN)/python $(PYTEST) --cov --cov-report=json:build/coverage.json
	$(BIN)/python tools/coverage_record.py build/coverage.json
	$(BIN)/python -m pipersr_build.report.documents

# What a user installs, without the tools of development; TESTS chooses some of the tests.
USED  := logs,notebooks,publish,serve,tests
TESTS ?= tests/unit tests/contract
test-floor: .venv-floor/.ready
	OMP_NUM_THREADS=1 .venv-floor/bin/python $(PYTEST) $(TESTS)

test-newest: .venv-newest/.ready
	OMP_NUM_THREADS=1 .venv-newest/bin/python $(PYTEST) $(TESTS)

.venv-floor/.ready: pyproject.toml constraints/floor.txt
	$(PYTHON) -m venv .venv-floor
	.venv-floor/bin/python -m pip install --quiet --disable-pip-version-check -c constraints/floor.txt -e '.[$(USED)]'
	.venv-floor/bin/python -m pip install --quiet --disable-pip-version-check --no-deps einops spandrel==0.4.2
	@touch $@

.venv-newest/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check --upgrade -e '.[$(USED),onnx,coreai]'
	.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check --no-deps einops spandrel==0.4.2
	@touch $@

docs: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

docs-serve: setup
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

CASES ?= 2000
SEED ?= 1
fuzz: setup
	$(BIN)/python -m tests.fuzz.fuzz_packages --cases $(CASES) --seed $(SEED)

clean:
	rm -rf $(VENV) .venv-floor .venv-newest .coverage .coverage.* build dist site .pytest_cache .mypy_cache .ruff_cache .hypothesis
