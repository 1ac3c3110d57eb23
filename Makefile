# Two commands: `make quickstart` and `make test`. Both set up .venv from constraints.txt first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: quickstart test check install clean

quickstart: $(READY)
	$(BIN)/colbench run experiment=quickstart

test: $(READY) check
	$(BIN)/python -m pytest -q

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: $(READY)

# ranx and our kernels compile with numba at first use; the compiled code is kept beside them.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	$(BIN)/python -m colbench.experiment.warm_up
	touch $(READY)

clean:
	rm -rf $(VENV) build dist
