# smviz: `make run`, `make test`, `make check`, `make bench`. Every recipe uses relative paths, so that a
# checkout below a folder with a space in its name works too.

PORT ?= 8501
REPLAY ?= $(SMVIZ_REPLAY)
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin/python

.PHONY: run test check bench clean chromium

# `make run REPLAY=folder` shows the runs in a folder that `smviz share` made, and calls nothing.
run: export SMVIZ_REPLAY := $(REPLAY)
run: $(VENV)/app
	$(BIN) -m streamlit run serve.py --server.address 127.0.0.1 --server.port $(PORT)

test: $(VENV)/dev chromium
	$(BIN) -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations 40

check: $(VENV)/dev
	$(BIN) -m ruff check .
	$(BIN) -m ruff format --check .
	$(BIN) -m mypy
	$(BIN) -m mypy serve.py streamlit_app.py pages/*.py
	$(BIN) -m pytest tests/test_layers.py
	$(BIN) .ci/audit.py requirements.txt requirements-dev.txt

bench: $(VENV)/bench chromium
	$(BIN) -m benchmarks

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis

# One virtual environment; a marker holds a copy of the requirements it was made from, so that a second run
# installs nothing and a run after `git pull` installs exactly when the requirements have changed.
$(BIN):
	@set -e; for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11 python; do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    "$$candidate" -m venv $(VENV) && exit 0; \
	    echo "Python has no venv module: install it (Debian: apt-get install python3-venv), then try again." >&2; \
	    rm -rf $(VENV); exit 1; fi; done; \
	echo "smviz needs Python 3.11 or newer; none was found. Name one with: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 1

$(VENV)/app: $(BIN) requirements.txt
	@cmp -s requirements.txt $@ || { $(BIN) -m pip install --quiet --disable-pip-version-check -r requirements.txt; }
	@cp requirements.txt $@

$(VENV)/dev: $(BIN) requirements.txt requirements-dev.txt
	@cat requirements.txt requirements-dev.txt | cmp -s - $@ || { $(BIN) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt; }
	@cat requirements.txt requirements-dev.txt > $@
	@cp requirements.txt $(VENV)/app

$(VENV)/bench: $(VENV)/dev requirements-bench.txt
	@cmp -s requirements-bench.txt $@ || { $(BIN) -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt; }
	@cp requirements-bench.txt $@

# The browser tests drive a real Chromium; SMVIZ_CHROMIUM names another one than those on the PATH.
chromium:
	@set -e; command -v "$${SMVIZ_CHROMIUM:-chromium}" >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 \
	  || command -v google-chrome >/dev/null 2>&1 && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else \
	  echo "The browser tests need Chromium. Install it (Debian and Ubuntu: sudo apt-get install chromium)" >&2; \
	  echo "or name one: SMVIZ_CHROMIUM=/path/to/chrome make test" >&2; exit 1; fi
