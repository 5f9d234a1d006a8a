PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Installs packages from a lock of requirements/ with uv, or, where uv cannot reach what pip is
# configured for (a mirror, say), with pip. Nothing is built but the project itself.
LOCKED = --quiet --require-hashes --only-binary :all: --requirement
PROJECT = --quiet --no-deps --no-build-isolation --editable .
from_lock = { $(BIN)/uv pip install --python $(BIN)/python $(LOCKED) $(1) && \
	$(BIN)/uv pip install --python $(BIN)/python $(PROJECT); } || \
	{ echo 'uv could not install: once more with pip.' && \
	$(BIN)/python -m pip install $(LOCKED) $(1) && $(BIN)/python -m pip install $(PROJECT); }

# `make app TORCH_INDEX=ADDRESS`, untested: torch of another index in the locked version, such as PyTorch's
# own for CPUs alone, which has no CUDA; without hashes, everything else from the lock as ever.
TORCH_INDEX ?=
OF_TORCH = torch|torchvision|torchaudio|triton|nvidia-[a-z0-9-]+|cuda-[a-z]+
from_index = awk '/^[a-z]/ { other = !/^($(OF_TORCH))==/ } other' $(1) >$(VENV)/other.txt && \
	$(BIN)/python -m pip install $(LOCKED) $(VENV)/other.txt && \
	$(BIN)/python -m pip install --quiet --no-deps --index-url '$(TORCH_INDEX)' \
		$$(grep -oE '^torch(vision|audio)?==[0-9.]+' $(1)) && \
	$(BIN)/python -m pip install $(PROJECT)

# Python keeps what it compiles, whatever the environment says: uv compiles no package, and without kept
# bytecode every process, of which the tests start dozens, compiles all of torch and Gradio that it imports.
unexport PYTHONDONTWRITEBYTECODE

# Processes of `make test`, of which each may take 6 GB for a moment. One more than two cores: much of the
# time a test waits for a browser or a server. `make test WORKERS=2` where memory is short.
WORKERS = 3

# A few minutes' worth of tests that touch most dependencies.
QUICK = tests/test_packaging.py tests/test_clip.py tests/cli/test_evaluate_command.py tests/models/test_mel_vae.py tests/studio/test_app_serves.py tests/viz

.PHONY: install install-test app test quick test-newest fuzz lock licences lint bench test-mmdet browser

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)

$(BIN)/uv: requirements/uv.txt | $(BIN)/python
	$(BIN)/python -m pip install $(LOCKED) requirements/uv.txt
	touch $@

$(VENV)/.app: pyproject.toml requirements/app.txt $(BIN)/uv
	@echo 'Installing requirements/app.txt and the project into $(VENV) (about 2 GB the first time) …'
	@$(if $(TORCH_INDEX),$(call from_index,requirements/app.txt),$(call from_lock,requirements/app.txt))
	touch $@

$(VENV)/.test: pyproject.toml requirements/test.txt $(BIN)/uv
	@echo 'Installing requirements/test.txt and the project into $(VENV) (about 2 GB the first time) …'
	@$(call from_lock,requirements/test.txt)
	touch $@ $(VENV)/.app

install: $(VENV)/.app

install-test: $(VENV)/.test browser

# Locks what pyproject.toml asks for, keeping versions; `make lock UPGRADE=--upgrade` renews them all.
lock: $(BIN)/uv
	$(BIN)/python requirements/lock.py $(UPGRADE)

# Lists the licence of every locked package and bundled file in docs/third-party-licences.md.
licences: install-test
	$(BIN)/python requirements/licences.py

app: install
	$(BIN)/python app.py

# A browser for the browser tests: one that is there, else Debian's.
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || test -n "$$CHROME" || \
	{ command -v apt-get >/dev/null && { SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	$$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq --no-install-recommends chromium >/dev/null; }; } || \
	{ echo 'The browser tests need Chromium: install it, or name it in CHROME.'; exit 1; }

test: install-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# The locked versions on another Python, in an environment of its own: `make quick PYTHON=python3.13`.
quick: OTHER = $(VENV)-$(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
quick:
	@$(MAKE) --no-print-directory VENV=$(OTHER) $(OTHER)/.test
	OMP_NUM_THREADS=1 $(OTHER)/bin/python -m pytest $(QUICK)

# The newest versions that pyproject.toml allows, in an environment of its own: what a renewed lock
# would break.
test-newest: $(BIN)/uv
	$(PYTHON) -m venv --clear $(VENV)-newest
	$(BIN)/uv pip install --python $(VENV)-newest/bin/python --quiet --editable '.[test,train,dataset,postgres,metrics]'
	OMP_NUM_THREADS=1 $(VENV)-newest/bin/python -m pytest $(QUICK)

# Damaged files for every reader: `make fuzz N=5000 SEED=7 JOBS=2 READERS="clip video"`, by default 2,000
# of a new seed; `make fuzz CASE=clip/boxes/17` repeats one.
fuzz: install-test
	OMP_NUM_THREADS=1 PYTHONPATH=.:tests $(BIN)/python -m tests.fuzz $(if $(N),--cases $(N)) \
	$(if $(SEED),--seed $(SEED)) $(if $(JOBS),--jobs $(JOBS)) $(if $(READERS),--readers $(READERS)) \
	$(if $(CASE),--case $(CASE))

lint: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install-test
	$(BIN)/python -m benchmarks.unet_speed --rounds 3 --json savg/evaluation/results/unet_speed.json
	$(BIN)/python -m benchmarks.i3d_speed
	$(BIN)/python -m benchmarks.scene_speed
	$(BIN)/python -m benchmarks.dataset_speed
	$(BIN)/python -m benchmarks.superres_quality
	$(BIN)/python -m benchmarks.demo_quality
	$(BIN)/python -m benchmarks.two_stage_quality --speed 8
	$(BIN)/python -m benchmarks.generation_quality --seed 1700 --first 300 --small 8
	$(BIN)/python -m benchmarks.stereosync_quality --speed 8
	$(BIN)/python -m benchmarks.depth_quality
	$(BIN)/python -m benchmarks.vocoder_quality
	$(BIN)/python -m benchmarks.evaluation
	$(BIN)/python -m benchmarks.evaluation_speed

# mmcv compiles for about ten minutes; it lives in an environment of its own.
test-mmdet: install-test
	bash tests/mmdet/build.sh
