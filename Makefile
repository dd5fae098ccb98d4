# edgecnn: `make demo` shows what it does, `make test` proves it.
# PYTHON= chooses the interpreter the environment is made with: make test PYTHON=python3.12

PYTHON ?=
VENV   ?= .venv
# A folder per class: https://github.com/garythung/trashnet, for `make models-table`.
PHOTOS ?= $(EDGECNN_DATA)/trashnet
BIN    := $(VENV)/bin
# One stamp for each PYTHON= asked for, so that another one makes the environment anew.
STAMP  := $(VENV)/.installed$(subst /,_,$(PYTHON))
# The environment of the device: CPython 3.11, numpy 1, tflite-runtime, and no TensorFlow.
PI_VENV  := .venv-tflite-runtime
# Keras 2, which makes the files that Keras 3 has to be told about; only child processes import it.
KERAS2   := .venv-keras2
# Each worker may import TensorFlow: four at most. A file's tests stay together, since they share
# what they have built, and files begin in the order of tests/conftest.py, the longest first.
PYTEST   := CUDA_VISIBLE_DEVICES= $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile \
	--no-loadscope-reorder --durations 20

.PHONY: demo test test-fast test-long lint docs format bench peers sources-table models-table \
	clean help

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: $(STAMP) ## Train, convert, prove and run a small classifier; no download, about a minute
	@$(BIN)/edgecnn demo

test: $(STAMP) ## All tests but the long ones, also those of the runner in its TensorFlow-free environment
	$(PYTEST) -m "not slow and not long"
	@.ci/test-runner-alone $(PI_VENV) $(VENV)
	@.ci/make-keras2 $(KERAS2) $(VENV)
	$(PYTEST) -m "slow and not long"

test-fast: $(STAMP) ## The unit tests only, under a minute
	$(PYTEST) -m "not slow and not long"

test-long: $(STAMP) ## The tests that take long: many random models, whole published networks
	@.ci/make-keras2 $(KERAS2) $(VENV)
	$(PYTEST) -m long

lint: $(STAMP) ## ruff, mypy, and the manual with every link in it
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mkdocs build --strict --quiet

docs: $(STAMP) ## Build the manual into build/site
	$(BIN)/python -m mkdocs build --strict --quiet
	@echo build/site/index.html

format: $(STAMP) ## Let ruff put the sources in form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## Print the ratios the manual quotes; some minutes, on a quiet machine
	$(BIN)/python tests/benchmarks/run_all.py

.PHONY: torchvision-table
torchvision-table: $(STAMP) ## Convert torchvision's networks for the manual; an hour or two, goes on where it was
	$(BIN)/python tests/benchmarks/torchvision_networks.py "$(EDGECNN_DATA)/trashnet"
	$(BIN)/python .ci/update-manual

peers: $(STAMP) ## Compare with other ways of running the models, on a quiet machine; for the manual
	@# It ends with 1 where a peer is faster, which the manual is to say.
	$(BIN)/python tests/benchmarks/peers/run.py --install --floats \
		--json tests/benchmarks/peers/results.json && met=0 || met=$$?; \
		$(BIN)/python .ci/update-manual && exit $$met

sources-table: $(STAMP) $(KERAS2) ## Convert one network in every form that is taken; for the manual
	CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python tests/benchmarks/sources.py
	$(BIN)/python .ci/update-manual

models-table: $(STAMP) ## Convert every network of keras.applications; hours, goes on where it was; PHOTOS=folder
	CUDA_VISIBLE_DEVICES= TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python tests/benchmarks/applications.py "$(PHOTOS)" \
		&& ran=0 || ran=$$?; $(BIN)/python .ci/update-manual && exit $$ran

clean: ## Remove the environments and caches
	rm -rf $(VENV) $(KERAS2) $(PI_VENV) $(PI_VENV)-and-others .venv-peers-tflite-runtime .venv-peers-openvino .pytest_cache .mypy_cache .ruff_cache .hypothesis build

$(STAMP): pyproject.toml deploy/pyproject.toml constraints.txt hatch_build.py .ci/make-venv
	@.ci/make-venv "$(VENV)" "$(PYTHON)"
	@touch $@
