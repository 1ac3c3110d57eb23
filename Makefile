# Two commands: `make quickstart` and `make test`. Both set up .venv from constraints.txt first; the
# quickstart installs only what colbench itself needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
TORCH_CPU ?= https://download.pytorch.org/whl/cpu
STANFORD ?= .venv-stanford
EXAMPLES ?= 4000
WORKERS ?= 2

.PHONY: quickstart test test-all gate check docs faults fidelity fuzz install clean

quickstart: $(INSTALLED)
	$(BIN)/colbench run experiment=quickstart

# A module's tests stay in one process, so that they share what they prepare; every numeric library
# has one thread, for the processes share the cores.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1
PYTEST := $(ONE_THREAD) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadscope \
	--no-loadscope-reorder

# Ten minutes on two cores: all but what is marked `nightly`.
test: $(READY) check
	$(PYTEST)

# Everything: also faults, fuzz, the codec's fidelity, all of pydocs, every training, our own
# benchmarks, and each property with more examples.
test-all: $(READY) $(STANFORD)/.ready check
	COLBENCH_STANFORD_PYTHON=$(abspath $(STANFORD))/bin/python COLBENCH_HYPOTHESIS=nightly \
		$(PYTEST) -m "" -o timeout=1800

# Our own quality: the quickstart, measured now, against the baseline that was accepted.
gate: $(INSTALLED)
	$(BIN)/colbench run --quiet experiment=quickstart output_dir=results/runs/gate \
	  gate=quickstart gate.baseline=results/quickstart/baseline.json

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The documentation as a site in site/; a dead link, or a page that the navigation lacks, is an error.
docs: $(READY)
	$(BIN)/python -m sphinx -b html -W --keep-going -q docs site

# Kill, interrupt, fill the disk, damage files: hundreds of seeded trials; `make test-all` has a
# sample.
faults: $(READY)
	COLBENCH_FAULT_TRIALS=30 $(BIN)/python -m pytest -q -m "" tests/faults

# Pages, pictures and tables of the committed results, from their JSON: results-site/index.html.
.PHONY: results-site
results-site: $(READY)
	$(BIN)/python -m benchmarks.results_site results-site

# The codec against the authors' implementation, which has an environment of its own.
fidelity: $(READY) $(STANFORD)/.ready
	COLBENCH_STANFORD_PYTHON=$(abspath $(STANFORD))/bin/python $(BIN)/python -m pytest -q -m "" tests/fidelity

# Damaged and made-up input for every loader, EXAMPLES a property, from a new seed each time.
fuzz: $(READY)
	COLBENCH_QUIET=1 COLBENCH_FUZZ_EXAMPLES=$(EXAMPLES) \
		$(BIN)/python -m pytest -q -m "" -o timeout=0 tests/fuzz

# With what tests, linters and documentation need.
install: $(READY)

# PyPI's torch for Linux brings gigabytes of CUDA, which a machine without a GPU has no use for.
# ranx and our kernels compile with numba at first use; the compiled code is kept beside them.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	@if [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null && [ ! -e /dev/kfd ]; then \
	  $(PIP) --no-deps --retries 1 --index-url $(TORCH_CPU) "$$(grep '^torch==' constraints.txt)" || \
	  echo "the CPU build of torch could not be had from $(TORCH_CPU); going on with PyPI's"; \
	fi
	$(PIP) -e .
	$(BIN)/python -m colbench.experiment.warm_up
	touch $(INSTALLED)

$(READY): $(INSTALLED)
	$(PIP) -e '.[test]'
	touch $(READY)

$(STANFORD)/.ready: tests/fidelity/requirements.txt
	$(PYTHON) -m venv $(STANFORD)
	$(STANFORD)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

clean:
	rm -rf $(VENV) $(STANFORD) build dist site
