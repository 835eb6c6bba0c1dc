# make demo             see it work: a Scipion project, a table, a picture (PICKS=folder for your own,
#                       MICROGRAPHS=folder of theirs)
# make demo-iterative   pickers trained on what they agree on, three times over (MAP=map.mrc)
# make test             the tests                      (ARGS="-k graph" for some)
# make test-all         all tests, those that take minutes too
# make test-pickers     tests with Topaz, RELION and the plugins of other people, in 3 GB of .venv
# make lint bench venv  the linters; the benchmarks (PICKS=folder, MAP=map.mrc, REAL=folder); only the
#                       environment
# make pictures         all pictures of docs/images/ from new runs (MAP=map.mrc, REAL=folder; those
#                       that need what is not given are left; ONLY="scores demo" for some)
# make figures          those that need a density map (MAP=map.mrc)
# make screenshots      those of Scipion's windows and forms, on a virtual screen
# make docs             these pages as a site, build/site
# PYTHON=python3.8      any of them with another interpreter, 3.8 to 3.11

PYTHON ?= $(shell .ci/find-python 3.11 3.10 3.9 3.8 | head -n 1)
VERSION := $(shell $(PYTHON) -c "import sys; print('%d.%d' % sys.version_info[:2])" 2>/dev/null)
VENV := .venv/$(VERSION)
OUT ?= demo
ITERATIVE ?= demo-iterative
SITE ?= build/site
READY := $(VENV)/.ready
# half as many again as there are processors: tests with Scipion wait much of their time
WORKERS := $(shell echo $$(( ($$(nproc 2>/dev/null || echo 2) * 3 + 1) / 2 )))
# a worker that crashes ends the run: in its place another one would wait for ever
TEST = $(VENV)/bin/python -m pytest --numprocesses $(WORKERS) --dist loadfile \
	--max-worker-restart 0

.PHONY: demo demo-iterative test test-all test-pickers lint bench pictures figures screenshots docs \
	docs-packages venv clean

venv: $(READY)

$(READY): setup.py
	@test -n "$(PYTHON)" || { echo "no Python 3.8 to 3.11 with venv found; name one: make PYTHON=..."; exit 1; }
	@echo "making the environment $(VENV) with $(PYTHON); this takes a minute or two ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(VENV)/bin/python -m pip install -qq --disable-pip-version-check --upgrade pip
	@$(VENV)/bin/python -m pip install -qq --disable-pip-version-check --editable ".[scipion,test]"
	@touch $(READY)

demo: $(READY)
	@$(VENV)/bin/repic-plugin demo --out "$(OUT)" $(if $(PICKS),--picks "$(PICKS)") \
		$(if $(MICROGRAPHS),--micrographs "$(MICROGRAPHS)")

demo-iterative: $(READY)
	@$(VENV)/bin/repic-plugin demo-iterative --out "$(ITERATIVE)" $(if $(MAP),--map "$(MAP)")

test: $(READY)
	$(TEST) -m "not thorough" $(ARGS)

test-all: $(READY)
	$(TEST) $(ARGS)

test-pickers:
	@sh .ci/picker-environments .venv
	@test ! -f .venv/pickers/.ready || REPIC_PICKERS="$(CURDIR)/.venv" OMP_NUM_THREADS=1 \
		.venv/pickers/bin/python -m pytest -m pickers $(ARGS)

lint: $(READY)
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

bench: $(READY)
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/run.py $(if $(PICKS),--picks "$(PICKS)")
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/command.py $(if $(PICKS),--picks "$(PICKS)")
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/ensemble.py $(if $(PICKS),--picks "$(PICKS)") \
		$(if $(MAP),--map "$(MAP)")
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/chance.py
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/templates.py
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/picking.py $(if $(REAL),--real "$(REAL)")
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/real_classes.py $(if $(REAL),--real "$(REAL)")
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/images.py $(if $(MAP),--map "$(MAP)") \
		$(if $(REAL),--real "$(REAL)") $(if $(PICKS),--picks "$(PICKS)")
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/loop.py $(if $(MAP),--map "$(MAP)") $(if $(REAL),--real "$(REAL)")
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/raw_picks.py $(if $(MAP),--map "$(MAP)") \
		$(if $(REAL),--real "$(REAL)") $(if $(PICKS),--picks "$(PICKS)")
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/viewing.py
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/scale.py
	@$(VENV)/bin/python benchmarks/classification.py $(if $(MAP),--map "$(MAP)")
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/assign.py $(if $(MAP),--map "$(MAP)")
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/stream_classes.py $(if $(MAP),--map "$(MAP)")
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/class_scores.py $(if $(MAP),--map "$(MAP)")
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/robustness.py $(if $(MAP),--map "$(MAP)")
	@$(VENV)/bin/python benchmarks/ranks.py

pictures: $(READY)
	@OMP_NUM_THREADS=1 $(VENV)/bin/python benchmarks/pictures.py $(if $(MAP),--map "$(MAP)") \
		$(if $(REAL),--real "$(REAL)") $(if $(ONLY),--only $(ONLY))

figures: $(READY)
	@$(VENV)/bin/python benchmarks/figures.py $(if $(MAP),--map "$(MAP)")

screenshots: $(READY)
	@$(VENV)/bin/python benchmarks/screenshots.py

# the site in build/site, from packages in the environment: no network is needed to build it
docs-packages: $(READY)
	@$(VENV)/bin/python -c 'import material' 2>/dev/null || $(VENV)/bin/python -m pip install -qq --disable-pip-version-check \
		--editable ".[scipion,test,docs]"

docs: docs-packages
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --strict --site-dir "$(SITE)"
	@echo "the documentation: $(SITE)/index.html"

clean:
	rm -rf .venv demo demo-iterative build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
