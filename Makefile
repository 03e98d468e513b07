# Everything starts here. `make demo` and `make test` need nothing typed before them: each installs
# what is missing first (scripts/setup) and says so.

export TENSORPLEX_PYTHON := $(CURDIR)/.venv/bin/python
# A module for any interpreter is linked with none.
export PYO3_BUILD_EXTENSION_MODULE := 1

# REDIS=1 makes the demo go through a real redis-server instead of the embedded broker.
REDIS ?= 0

# How long `make chaos` lasts.
SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-rust test-python check chaos mutants fuzz python wheel bench bench-peers soak fmt lint deny docs doc

help:
	@echo 'make demo     32 training processes, one server, one TensorBoard directory: runs/demo'
	@echo '              (REDIS=1: through a real redis-server instead of the embedded broker)'
	@echo 'make check    format, clippy and unit tests of the libraries: the inner loop'
	@echo 'make test     everything: format, lints, spelling, docs, Rust tests, Python tests'
	@echo 'make chaos    kill, pause and cut everything for SECONDS (60), half of them through Redis; SEED repeats a run'
	@echo 'make mutants  break each promise on purpose: the chaos harness must notice (15 minutes and a build)'
	@echo 'make fuzz     a minute of each fuzz target, guided by coverage (and a build)'
	@echo 'make python   build the Python package into .venv'
	@echo 'make wheel    build its wheel for Python 3.11 and later: target/wheels'
	@echo 'make bench    measure everything side by side: docs/performance.json and its chart'
	@echo 'make bench-peers  one add_scalar of Python, beside those of other libraries: target/peers.json'
	@echo 'make soak     24 workers for SECONDS (60): is their memory, and the server'"'"'s, flat? draws docs/memory.svg'
	@echo 'make lint     format, spelling, clippy and docs, with warnings as errors'
	@echo 'make deny     licences and advisories of the dependencies, by cargo-deny'
	@echo 'make fmt      format the code'
	@echo 'make docs     build the documentation as a site: target/book'
	@echo 'make doc      build the API documentation: target/doc'
	@echo 'make setup    install what demo, test and bench need; they do it themselves'

setup:
	@scripts/setup all

demo:
	@scripts/demo $(REDIS)

test:
	@scripts/setup all
	@$(MAKE) --no-print-directory lint
# Before the Rust tests: some of their workers are in Python.
	@$(MAKE) --no-print-directory python
# A failure of the one does not hide those of the other.
	@$(MAKE) --no-print-directory --keep-going test-rust test-python

# Without the whole-system tests, and with the profile of the tests, so that nothing is compiled twice.
check:
	@scripts/setup cc python
	cargo fmt --all --check
	.venv/bin/typos
	cargo clippy -q --workspace --lib --bins -- -D warnings
	cargo test -q --workspace --exclude tensorplex-tests --exclude remotecall-macros --lib

# Twice as many tests at once as there are cores: most of them wait most of the time.
test-rust:
	RUST_TEST_THREADS=$$(($$(nproc) * 2)) cargo test --workspace --no-fail-fast

test-python:
	$(TENSORPLEX_PYTHON) -m pytest -q tests
# They wait for brokers most of the time: four files at once.
	@ls -S python/tests/test_*.py | xargs -P 4 -n 1 $(TENSORPLEX_PYTHON) -m pytest -q

# SECONDS=600 SEED=… on the command line of make.
chaos: python
	@scripts/setup cc redis faketime python
	cargo run -q --bin chaos -- $(SECONDS)

# In a target directory of its own: nothing else may come to hold a deliberate fault.
mutants: python
	@scripts/setup cc redis faketime python
	CARGO_TARGET_DIR=target/mutants cargo test -p tensorplex-tests --features mutants --test mutants -- --test-threads=1

# A target directory of its own: the instrumentation is in every crate.
fuzz:
	@scripts/setup cc cxx
	scripts/fuzz 60

# The package as it lies here, in .venv. Built with the whole workspace, not by maturin: for a package alone, what it
# depends on would have other features and be compiled once more. All builds that the tests start make this choice of
# targets, with which `cargo test` has only the tests left to compile: `--lib` alone has other features, and the macros
# chosen as a library are compiled once more, with all that uses them. The dev profile: the tests wait for brokers, not for us.
python:
	@scripts/setup cc python
	cargo build -q --workspace --exclude remotecall-macros --lib --bins --examples
	install $${CARGO_TARGET_DIR:-target}/debug/lib_native.so python/tensorplex/_native.abi3.so
	@echo $(CURDIR)/python > $$(echo .venv/lib/python3*/site-packages)/tensorplex.pth

# What `pip install ./python` installs: target/wheels.
wheel:
	@scripts/setup cc python
	.venv/bin/maturin build --release -q -m python/Cargo.toml -o target/wheels

bench:
	@scripts/setup cc redis python
	cargo build --release -q --workspace --lib --bins --examples --features tensorplex-benches/tensorboard-rs
	$${CARGO_TARGET_DIR:-target}/release/tensorplex-benches all docs/performance.json
	$(TENSORPLEX_PYTHON) benches/chart.py docs/performance.json docs/performance.svg

# A release build of the Python package, in a directory of its own.
bench-peers:
	@scripts/setup cc peers
	PYO3_PYTHON=$(TENSORPLEX_PYTHON) cargo build --release -q -p tensorplex-python
	rm -rf target/peers && mkdir -p target/peers && cp -r python/tensorplex target/peers
	cp target/release/lib_native.so target/peers/tensorplex/_native.abi3.so
	.venv-peers/bin/python benches/peers.py target/peers target/peers.json

soak: python
	@scripts/setup cc redis python
	cargo build --release -q -p tensorplex-bin -p tensorplex-tests --bins
	$(TENSORPLEX_PYTHON) benches/soak.py $(SECONDS) docs/memory.svg

fmt:
	cargo fmt --all

# Crates that pass the stricter lints. `-D` reaches their path dependencies too, so a crate is listed here only after
# all that it depends on.
STRICT := remotecall-wire remotecall-connection remotecall-broker remotecall-macros
STRICT_LINTS := $(addprefix -D clippy::,unwrap_used indexing_slicing missing_errors_doc missing_panics_doc doc_markdown \
	semicolon_if_nothing_returned redundant_closure_for_method_calls match_same_arms wildcard_imports explicit_iter_loop \
	inefficient_to_string uninlined_format_args cloned_instead_of_copied manual_let_else map_unwrap_or if_not_else \
	needless_continue unnested_or_patterns items_after_statements redundant_else implicit_clone)

lint:
	@scripts/setup cc python
	cargo fmt --all --check
	.venv/bin/typos
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy $(addprefix -p ,$(STRICT)) --lib --bins -- -D warnings $(STRICT_LINTS)
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Licences, advisories, duplicates and sources, with the advisory database from the network.
deny:
	cargo install --locked cargo-deny
	cargo deny check

# The documentation as a site: target/book.
docs:
	@command -v mdbook >/dev/null || { echo 'docs: installing mdbook from crates.io (some minutes)'; cargo install --locked mdbook; }
	mdbook build

doc:
	@scripts/setup cc
	cargo doc --workspace --no-deps
