PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install install-test app test lint bench test-mmdet browser

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.app: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.test: pyproject.toml Makefile | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[test,train,dataset,postgres]'
	touch $@ $(VENV)/.app

install: $(VENV)/.app

install-test: $(VENV)/.test browser

app: install
	$(BIN)/python app.py

# A browser for the browser tests: one that is there, else Debian's.
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || test -n "$$CHROME" || \
	{ command -v apt-get >/dev/null && { SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	$$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq --no-install-recommends chromium >/dev/null; }; } || \
	{ echo 'The browser tests need Chromium: install it, or name it in CHROME.'; exit 1; }

test: install-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

lint: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install-test
	$(BIN)/python -m benchmarks.unet_speed
	$(BIN)/python -m benchmarks.scene_speed
	$(BIN)/python -m benchmarks.dataset_speed
	$(BIN)/python -m benchmarks.superres_quality
	$(BIN)/python -m benchmarks.demo_quality
	$(BIN)/python -m benchmarks.two_stage_quality --speed 8

# mmcv compiles for about ten minutes; it lives in an environment of its own.
test-mmdet: install-test
	bash tests/mmdet/build.sh
