# Everything below works on a machine that has make and Python 3.11 or newer.
#
#   make PYTHON=/path/to/python3.12 ...    another interpreter
#   make test PYTEST_ARGS="-k reflex"      some of the tests
#   make test TEST_WORKERS=1               in one process; by default one for every core
#   make run RUN_ARGS="..."                options of the main job
#   make mutants PACKAGE=fetching          mutation tests of one package: simulator, scoring, fetching or generation

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check --no-input install -qq -c constraints.txt
DECLARATIONS := pyproject.toml constraints.txt mwlmc_data/_version.py

# The first interpreter that is new enough and can make virtual environments.
IS_USABLE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	"$$python" -c '$(IS_USABLE)' >/dev/null 2>&1 && { echo "$$python"; break; }; done)

# A second environment with the lowest declared versions, which have wheels for Python 3.11 and 3.12.
LOWEST := .venv-lowest
LOWEST_PYTHON ?= $(shell for python in python3.11 python3.12; do \
	"$$python" -c '$(IS_USABLE)' >/dev/null 2>&1 && { echo "$$python"; break; }; done)
LOWEST_TESTS := tests/fetching/test_mirrors.py tests/scoring/test_scoring_inputs.py tests/scoring/test_submission.py \
	tests/simulator/test_frames.py tests/simulator/test_parameters.py tests/simulator/test_reflex.py \
	tests/simulator/test_integrate.py tests/simulator/test_numba_internals.py tests/simulator/test_vectors.py \
	tests/arguments/test_arrays.py tests/dataset/test_catalogue.py tests/commands/test_cli.py tests/arguments/test_counts.py tests/dataset/test_haloes.py \
	tests/inference/test_inference.py tests/test_package.py tests/plotting/test_plotting.py tests/test_priors.py tests/dataset/test_store.py \
	tests/dataset/test_verification.py

PYTEST_ARGS ?=
TEST_WORKERS ?= auto
RUN_ARGS ?=
PACKAGE ?= simulator
MUTATION_ARGS ?=

.PHONY: help run test test-lowest lint docs mutants examples wheel clean

help:
	@echo "make run    install, then train and score the baseline; the report goes to build/report"
	@echo "make test   install, then check style and types and run the tests"
	@echo "make test-lowest  the core's tests, with the lowest versions that pyproject.toml allows"
	@echo "make lint   check style and types only"
	@echo "make docs   build the documentation's site into build/docs; a warning or a dead link is an error"
	@echo "make mutants PACKAGE=scoring  mutate a package and see whether its tests notice (an hour or more)"
	@echo "make examples  execute the notebooks in examples/"
	@echo "make wheel  build the wheel into dist/"
	@echo "make clean  remove everything that make creates, including the virtual environments"

run: $(VENV)/.has-benchmarks
	@echo "==> baseline: train, score, report"
	$(PY) -m benchmarks paper --out build/report $(RUN_ARGS)

test: lint
	@echo "==> compiling kernels once for all test processes"
	$(PY) -c "from mwlmc_data.simulator import compile_kernels; compile_kernels()"
	@echo "==> tests"
	$(PY) -m pytest -n $(TEST_WORKERS) --dist worksteal $(PYTEST_ARGS)

# A separate cache: kernels compiled by another version of Numba lie beside the source.
test-lowest: $(LOWEST)/.is-ready
	@echo "==> tests with the lowest versions"
	NUMBA_CACHE_DIR=$(CURDIR)/$(LOWEST)/kernels $(LOWEST)/bin/python -m pytest -m "not slow" $(LOWEST_TESTS) $(PYTEST_ARGS)

lint: $(VENV)/.has-test
	@echo "==> style and types"
	$(PY) -m ruff check .
	$(PY) -m mypy

docs: $(VENV)/.has-docs
	@echo "==> site"
	rm -rf build/docs
	$(PY) -m sphinx -b html -W -n --keep-going -q -c docs . build/docs
	$(PY) docs/check_site.py build/docs

mutants: $(VENV)/.has-test
	@$(PIP) -e ".[mutation]"
	@echo "==> mutants of $(PACKAGE)"
	$(PY) -m tests.mutation $(PACKAGE) $(MUTATION_ARGS)

examples: $(VENV)/.has-test
	$(PY) -m examples

wheel: $(VENV)/.has-test
	@echo "==> wheel"
	rm -rf dist
	$(PY) -m build --wheel --outdir dist

clean:
	rm -rf $(VENV) $(LOWEST) build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A file in the environment marks each finished step, so that a second call installs nothing.

$(VENV)/.has-python:
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer with the venv module was found; name one with" \
		"make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c '$(IS_USABLE)' || { echo "$(PYTHON) cannot be used:" \
		"it must be Python 3.11 or newer with the venv and ensurepip modules" >&2; exit 1; }
	@echo "==> virtual environment in $(VENV)"
	@"$(PYTHON)" -m venv --clear $(VENV)
	@touch $@

# torch goes first, so that packages that depend on it keep this build.
$(VENV)/.has-torch: constraints.txt $(VENV)/.has-python
	@echo "==> installing torch (a large download the first time)"
	@$(PIP) "$$(grep '^torch==' constraints.txt)"
	@touch $@

$(VENV)/.has-benchmarks: $(DECLARATIONS) $(VENV)/.has-torch
	@echo "==> installing mwlmc-data and the requirements of the benchmarks (some minutes the first time)"
	@$(PIP) -e ".[benchmarks]"
	@touch $@

$(VENV)/.has-test: $(DECLARATIONS) $(VENV)/.has-benchmarks
	@echo "==> installing the requirements of the tests"
	@$(PIP) -e ".[benchmarks,generation,plot,test]"
	@touch $@

$(VENV)/.has-docs: $(DECLARATIONS) $(VENV)/.has-benchmarks
	@echo "==> installing what the site needs"
	@$(PIP) -e ".[benchmarks,plot,docs]"
	@touch $@

$(LOWEST)/.is-ready: pyproject.toml constraints-lowest.txt mwlmc_data/_version.py
	@test -n "$(LOWEST_PYTHON)" || { echo "The lowest versions need Python 3.11 or 3.12; name one with" \
		"make LOWEST_PYTHON=/path/to/python" >&2; exit 1; }
	@echo "==> the lowest versions in $(LOWEST)"
	@"$(LOWEST_PYTHON)" -m venv --clear $(LOWEST)
	@$(LOWEST)/bin/python -m pip --disable-pip-version-check --no-input install -qq -c constraints-lowest.txt \
		-e ".[plot,snapshots]" "pytest>=8" "pytest-timeout>=2.3" "hypothesis>=6.100" "packaging>=24"
	@touch $@
