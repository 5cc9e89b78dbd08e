# Two commands for people: `make demo` and `make test`. Each makes the environments that it needs, under .venv.
# Needs: Linux, make, and a Python 3.10 to 3.12 with venv (PYTHON=python3.12 names another one than python3).

PYTHON ?= python3
# Without bytecode Airflow starts half as fast; somebody's own Airflow must not leak in.
CLEAN := env -u PYTHONDONTWRITEBYTECODE -u AIRFLOW_HOME -u AIRFLOW_CONFIG -u PYTHONPATH
AIRFLOW_3 := .venv/airflow-3
AIRFLOW_2 := .venv/airflow-2
# Apache's package beside this one, which answers for the connection types of both.
BESIDE := .venv/bench

.PHONY: help demo test test-all browser-test bench lint test-airflow-3 test-airflow-2 clean

help:
	@echo "make demo         see a real Airflow run fail, page, recover and stand down (KEEP=1 leaves it up)"
	@echo "make test         run the tests, on Airflow 3.3 and on 2.11 side by side"
	@echo "make browser-test run those in Airflow's own pages (SCREENSHOTS=write keeps what docs/connections.md shows)"
	@echo "make test-all     the same with every case on a real Airflow, and write down what each showed"
	@echo "make lint         ruff and mypy"
	@echo "make bench        measure this package beside Apache's, and write it down (BENCH=smoke tries all of it, tiny)"
	@echo "make clean        remove what the other targets made"

demo: $(AIRFLOW_3)/ready
	$(CLEAN) $(AIRFLOW_3)/bin/airflow-pagerduty demo $(if $(KEEP),--keep)

# The tests mostly wait, for servers and for Airflow, so both halves run at the same time; what each prints comes
# in one piece, when it ends.
test: lint
	$(MAKE) --jobs=2 --output-sync=target test-airflow-3 test-airflow-2

# What each showed goes into a results file, and from there into the tables in docs/alerts.md and
# docs/outbox-trials.md.
test-all: export E2E_RESULTS := write
test-all: export OUTBOX_RESULTS := 1
test-all: SELECTED := -m ""
test-all: lint test-airflow-3 test-airflow-2

browser-test: SELECTED := -m browser
browser-test: export BROWSER_SCREENSHOTS := $(SCREENSHOTS)
browser-test: test-airflow-3 test-airflow-2

lint: $(AIRFLOW_3)/ready
	$(AIRFLOW_3)/bin/ruff check
	$(AIRFLOW_3)/bin/ruff format --check
	$(AIRFLOW_3)/bin/mypy

# Some minutes, on a machine that does nothing else; where it does, only the ratios say something.
bench: $(BESIDE)/ready
	$(CLEAN) $(BESIDE)/bin/python tests/benchmarks $(if $(BENCH),--$(BENCH),--keep)

test-airflow-3: $(AIRFLOW_3)/ready
	$(CLEAN) $(AIRFLOW_3)/bin/python -m pytest $(SELECTED) $(PYTEST_ARGS)

# The sandbox knows of no Airflow, so its own tests are run beside one of them.
test-airflow-2: $(AIRFLOW_2)/ready
	$(CLEAN) $(AIRFLOW_2)/bin/python -m pytest --ignore-glob="tests/test_sandbox*" $(SELECTED) $(PYTEST_ARGS)

$(AIRFLOW_3)/ready: AIRFLOW := apache-airflow==3.3.*
$(AIRFLOW_2)/ready: AIRFLOW := apache-airflow==2.11.*
$(BESIDE)/ready: AIRFLOW := apache-airflow==3.3.*
$(BESIDE)/ready: MORE := "apache-airflow-providers-pagerduty>=5.3.1" pdpyras
.venv/%/ready: pyproject.toml tests/requirements.txt .ci/make-environment
	$(CLEAN) .ci/make-environment "$(PYTHON)" $(@D) "$(AIRFLOW)" $(MORE)
	touch $@

clean:
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache dist
