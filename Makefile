# `make run` and `make test` set up .venv by themselves, once; after that both work offline.

PYTHON ?= python3
VENV ?= .venv
CORES ?= all
# A machine with an NVIDIA GPU trains on it.
GPUS := $(shell nvidia-smi -L 2>/dev/null | grep -c ^GPU)
PROFILE ?= $(if $(filter-out 0,$(GPUS)),gpu,default)

export PATH := $(abspath $(VENV))/bin:$(PATH)
PIP_INSTALL = $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c envs/constraints.txt

.PHONY: run status test test-cluster check fuzz fuzz-guided faults config/README.md bench-reading bench-rendering bench-specimens bench-against-plain bench-networks bench-networks-memory bench-baseline bench-scale bench-growing verify

run: $(VENV)/.installed
	snakemake --cores $(CORES) --workflow-profile profiles/$(PROFILE) $(if $(filter gpu,$(PROFILE)),--resources gpu=$(GPUS))

# One line: what is done, running, failed, and why.
status: $(VENV)/.installed
	strainprint status

test: $(VENV)/.installed-test
	$(MAKE) --no-print-directory check

# Every check, in the environment that is active. In the order of the folders: the tests of the
# cluster, which mostly wait, and of the whole workflow come first, side by side.
check:
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow
	snakemake --lint
	python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

# The whole smoke preset through a private Slurm, besides the short tests of `make test`.
test-cluster: $(VENV)/.installed-test
	python -m pytest -n 0 -m "slow or not slow" tests/cluster

# Damaged files against the map readers, for so many seconds.
SECONDS ?= 60
fuzz:
	STRAINPRINT_FUZZ_SECONDS=$(SECONDS) python -m pytest tests/fuzz

# The same, led by coverage; keeps its corpus and what it finds in .fuzz. Needs the extra [fuzz].
fuzz-guided:
	python tests/fuzz/fuzz_readers_guided.py -max_total_time=$(SECONDS)

# Kills, full disks, forbidden folders, damaged files and lack of memory against the smoke preset;
# the last line is JSON. FAULT_OPTIONS="--kinds kill" for one kind.
faults: $(VENV)/.installed
	python -m faults $(FAULT_OPTIONS)

# Written last, so that an installation cut short is taken up again.
$(VENV)/.installed: pyproject.toml envs/constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -e .
	touch $@

$(VENV)/.installed-test: pyproject.toml envs/constraints.txt
	test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -e ".[test]"
	touch $@ $(VENV)/.installed

# Rewrites the table of keys in config/README.md from the schema.
config/README.md:
	python -m strainprint.config workflow/schemas/config.schema.yaml $@

# Seconds of a 2 um map on one core, against the direct sum.
bench-rendering: $(VENV)/.installed
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/rendering.py

# Memory and seconds to read, mask and predict from a map of 9,000 x 7,000 points.
bench-reading: $(VENV)/.installed
	python benchmarks/reading.py

# Pair sums, forces and whole specimens, against the floating-point peak, a peer and the plain
# version. pylabdd's compiled forces need gfortran. BENCH_OPTIONS="--quick" for a few minutes.
bench-specimens: $(VENV)/.installed-bench
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/specimens.py $(BENCH_OPTIONS)

# Mean strengths of the simulator's specimens against those of the plain version.
bench-against-plain: $(VENV)/.installed-bench
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/against_plain.py $(BENCH_OPTIONS)

$(VENV)/.installed-bench: $(VENV)/.installed
	$(PIP_INSTALL) -e ".[bench]"
	touch $@

# Crops per second in training and prediction, beside a plain torch loop, Keras on TensorFlow and the
# machine's peak; the log of each kind of device is kept in docs/benchmarks.
bench-networks: $(VENV)/.installed-bench-networks
	python benchmarks/networks.py --log docs/benchmarks $(BENCH_OPTIONS)

# Peak memory of a training at paper scale; writes 1 GB to the temporary folder.
bench-networks-memory: $(VENV)/.installed
	OMP_NUM_THREADS=1 python benchmarks/networks_memory.py $(BENCH_OPTIONS)

$(VENV)/.installed-bench-networks: $(VENV)/.installed
	$(PIP_INSTALL) -e ".[bench-networks]"
	touch $@

# Two-point correlations against PyMKS on the same arrays. PyMKS gets an environment of its own:
# it imports pkg_resources, which newer setuptools lack, and needs pyarrow without saying so.
bench-baseline: $(VENV)/.installed $(VENV)-pymks/.installed
	mkdir -p docs/benchmarks
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/baseline.py $(VENV)-pymks/bin/python > docs/benchmarks/baseline.log.partial
	mv docs/benchmarks/baseline.log.partial docs/benchmarks/baseline.log
	cat docs/benchmarks/baseline.log

$(VENV)-pymks/.installed: envs/pymks.txt
	test -x $(VENV)-pymks/bin/python || $(PYTHON) -m venv $(VENV)-pymks
	$(VENV)-pymks/bin/python -m pip install --quiet --disable-pip-version-check -r envs/pymks.txt
	touch $@

# Jobs, files and seconds of the graph of the paper's data set, and of ten times it.
bench-scale: $(VENV)/.installed
	python benchmarks/scale.py

# What 10 % more specimens cost: shards that run, their seconds, and old maps that change sides.
bench-growing: $(VENV)/.installed
	OMP_NUM_THREADS=1 python benchmarks/growing.py

# Every check of the simulator against its closed form: writes docs/verification.md.
verify: $(VENV)/.installed
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python -m verification
