# Each target makes .venv itself; all they need is Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
RUNTIME_BIN := $(CURDIR)/.venv-runtime/bin
DEMO := $(CURDIR)/demo
# What `make gpu` runs in: .venv, or where a torch that sees the GPU is there already, its python
# (make gpu PYTHON_GPU=python3). That one needs the packages of the extra `train` and the group `test`.
PYTHON_GPU ?= $(BIN)/python
FUZZ_SECONDS ?= 600
FUZZ_SEED ?= 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test lint types unit coverage test-runtime docs-check bench gpu wheel fuzz mutate flips faults kills races clean

demo: $(VENV)/installed ## the five commands, in a new folder
	rm -rf $(DEMO) && mkdir -p $(DEMO)/data && cp data/names.txt $(DEMO)/data/
	cd $(DEMO) && $(BIN)/nplm dataset build
	cd $(DEMO) && $(BIN)/nplm train
	cd $(DEMO) && $(BIN)/nplm eval --split val
	cd $(DEMO) && $(BIN)/nplm export onnx
	cd $(DEMO) && $(BIN)/nplm generate --runtime onnx

test: lint types unit ## lint, types, all tests

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/installed
	$(BIN)/mypy

unit: $(VENV)/installed
	$(BIN)/python -m pytest

coverage: $(VENV)/installed ## all tests, and the share of the lines of src that they reach
	rm -rf .coverage && mkdir .coverage
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

test-runtime: .venv-runtime/installed ## what must work without torch, where there is no torch
	$(RUNTIME_BIN)/python -m pytest tests -m "not training"

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[train]" --group dev
	touch $@

.venv-runtime/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-runtime
	$(RUNTIME_BIN)/python -m pip install --quiet --constraint constraints.txt --upgrade pip
	$(RUNTIME_BIN)/python -m pip install --quiet --constraint constraints.txt --editable . --group test
	touch $@

docs-check: $(VENV)/installed ## the lesson's commands print the figures that stand there
	PATH="$(BIN):$$PATH" $(BIN)/python docs/check.py

faults: $(VENV)/installed ## every call that writes fails, or the process dies there: what was there is whole
	$(BIN)/python tests/faults.py

kills: $(VENV)/installed ## 500 kills at random moments: every output is whole
	$(BIN)/python tests/kills.py

races: $(VENV)/installed ## two writers of every kind at once, 50 times: one whole output
	$(BIN)/python tests/races.py

bench: $(VENV)/installed ## ours against the alternatives, in one run (under ten minutes)
	@rm -rf .bench && mkdir .bench
	@$(BIN)/python benchmarks/training.py --models .bench
	@echo; $(BIN)/python benchmarks/lists.py
	@echo; $(BIN)/python benchmarks/tables.py
	@echo; $(BIN)/python benchmarks/generation.py --models .bench
	@echo; $(BIN)/python benchmarks/conditions.py --models .bench
	@echo; $(BIN)/python benchmarks/starting.py --models .bench
	@rm -rf .bench

gpu: $(if $(filter $(BIN)/python,$(PYTHON_GPU)),$(VENV)/installed) ## GPU tests and rates; one line where there is no GPU
	PYTHONPATH=$(CURDIR)/src $(PYTHON_GPU) benchmarks/gpu.py

wheel: $(VENV)/installed ## the wheel without extras, with the oldest versions that it allows
	$(BIN)/python tests/wheel.py

fuzz: $(VENV)/installed ## damaged files for every reader, odd command lines; FUZZ_SECONDS in all
	$(BIN)/python tests/fuzz/run.py --seconds $(FUZZ_SECONDS) --seed $(FUZZ_SEED)

mutate: $(VENV)/installed ## thirty deliberate faults: do the tests notice? (about ten minutes)
	$(BIN)/python tests/mutants.py

flips: $(VENV)/installed ## 2,000 single bits of a model file: refused, or nothing changes
	$(BIN)/python tests/flips.py

clean:
	rm -rf $(VENV) .venv-runtime demo
