# Every target does all the set-up that it needs, into .venv; `make` alone lists them.

PYTHON ?= $(shell for p in python3.11 python3.12 python3.10 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
INSTALLED := .venv/installed
empty :=
comma := ,
joined = $(subst $(empty) $(empty),$(comma),$(strip $(1)))
sql = $(sort $(wildcard tests/sql/test_[$(1)]*.py))
OTHERS := $(filter-out tests/cluster tests/project tests/faults tests/sql tests/support tests/__pycache__, \
	$(patsubst %/,%,$(sort $(wildcard tests/*/))))
# The long ones first, and what waits most (faults, then the others) beside what computes.
PARTS := $(call joined,$(call sql,a-f)) tests/cluster tests/faults $(call joined,$(call sql,n-z)) \
	$(call joined,$(OTHERS)) tests/project $(call joined,$(call sql,g-m))
PART_TARGETS := $(addprefix part-,$(shell seq $(words $(PARTS))))
# Two at once: most tests wait more than they compute.
TOGETHER = $(MAKE) -s -k -j2 --output-sync=target
FILES ?= $(sort $(wildcard tests/*/test_*.py))
SHIM := java-shim/pom.xml java-shim/hatch_build.py $(shell find java-shim/src/main -type f 2>/dev/null)

.PHONY: help tools jar demo test test-java test-python test-versions test-flink22 soak bench pages pictures docs docs-test lint \
	audit release clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

tools:
	@test -n "$(PYTHON)" || { echo "CPython 3.10, 3.11 or 3.12 with venv is needed (Debian: apt-get install python3-venv), or set PYTHON=..." >&2; exit 1; }
	@javac -version 2>&1 | grep -qE '^javac (1[7-9]|[2-9][0-9])' || { echo "A JDK 17 is needed (Debian: apt-get install openjdk-17-jdk-headless)." >&2; exit 1; }
	@mvn -version >/dev/null 2>&1 || { echo "Maven is needed (Debian: apt-get install maven)." >&2; exit 1; }

$(INSTALLED): pyproject.toml $(SHIM) | tools
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing into .venv (the first time this takes some minutes) ..."
	@$(BIN)/pip install -q -e '.[dev]'
	@touch $@

jar: tools $(INSTALLED) ## build the shim jar and install it into the package
	@$(BIN)/pyflink-triton jar

demo: tools $(INSTALLED) ## the main job: handwritten digits, Flink SQL, a real Triton
	@$(BIN)/python examples/digits.py

test: tools $(INSTALLED) ## every test, the long ones shortened
	+@$(TOGETHER) test-java test-versions $(PART_TARGETS)

test-java: tools
	mvn -q -B -f java-shim/pom.xml test

# A process for each part: a local Flink keeps classes of each of its jobs, and those of all tests fill a machine's memory.
test-python: tools $(INSTALLED)
	+@$(TOGETHER) $(PART_TARGETS)

part-%:
	$(BIN)/pytest $(subst $(comma),$(empty) $(empty),$(word $*,$(PARTS)))

test-versions: tools $(INSTALLED) ## a short suite with Flink 2.2, and with CPython 3.10 and 3.12
	$(BIN)/python tests/support/versions.py

test-flink22: tools $(INSTALLED)
	$(BIN)/python tests/support/versions.py flink22

# A process for each file: a local Flink keeps some classes of each of its jobs, which fill a JVM after some 480.
soak: tools $(INSTALLED) ## every test, the long ones in full; FILES=... for some of them
	@failed=; for file in $(FILES); do \
		PYFLINK_TRITON_SOAK=1 $(BIN)/pytest -q -s --durations=3 $$file || failed="$$failed $$file"; \
	done; test -z "$$failed" || { echo "failed:$$failed" >&2; exit 1; }

bench: tools $(INSTALLED) ## speed, CPU and latency beside raw tritonclient and Flink's own; ARGS=... (--help lists them)
	$(BIN)/python -m benchmarks $(ARGS)

pages: tools $(INSTALLED) ## write the pages and tables of the docs that are made from code and tests
	@for page in tests/support/faults.py tests/support/streams.py tests/sql/test_spec.py tests/support/reference.py \
		tests/support/dashboard.py tests/project/test_metrics_page.py tests/project/test_public_api.py \
		tests/support/planted_faults.py; do \
		PYTHONPATH=tests/support $(BIN)/python $$page || exit 1; \
	done

pictures: tools $(INSTALLED) ## take the docs' pictures anew: the command, the dashboard and Flink's web interface over live jobs
	@PYTHONPATH=tests/support $(BIN)/python tests/support/command_pictures.py
	@PYTHONPATH=tests/support $(BIN)/python tests/support/pictures.py

docs: tools $(INSTALLED) ## the pages as a site in build/site, each link checked
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

docs-test: tools $(INSTALLED) ## run each block of Python and SQL in the pages (a part of make test)
	$(BIN)/pytest tests/project/test_readme.py tests/project/test_reference.py tests/server/test_own_model.py \
		tests/sql/test_snippets.py

lint: tools $(INSTALLED) ## ruff, mypy, javac's warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	mvn -q -B -f java-shim/pom.xml test-compile

audit: tools $(INSTALLED) ## look for known vulnerabilities in what the jar holds and the package needs
	@$(BIN)/python .ci/audit.py

release: tools $(INSTALLED) ## make a release in dist/, built twice and compared (docs/releasing.md)
	@.ci/release

clean: ## remove what was built and installed here
	rm -rf .venv dist build java-shim/target pyflink_triton/lib
