.DEFAULT_GOAL := help
.PHONY: help check fix test demo soak model tables netns soak-netns attacks bench-index bench-libp2p entrega

# Seeds of `make soak`: each is one network under random faults.
SEEDS ?= 10000
# Seconds that `make model` gives each configuration at most.
EACH ?= 300

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r c w; do printf '%-12s %s\n' "$$c" "$$w"; done

check: ## formatting, lints and tests; writes nothing in the sources
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo test --locked --workspace

fix: ## formats, and applies what clippy can mend by itself
	cargo fmt --all
	cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
	cargo fmt --all

test: ## all tests
	cargo test --workspace

demo: ## five peers on this machine, until Ctrl-C
	cargo run --release -- demo

soak: ## the simulator's random faults over many seeds, without and with edits, then soak-netns: make soak SEEDS=10000
	CHORDIAL_SEEDS=$(SEEDS) cargo test --release -p chordial-simulator --test scenarios -- \
		--exact after_any_mix_of_faults_ring_and_entries_become_ideal \
		edits_under_any_mix_of_faults_are_told_of_as_they_are --nocapture
	$(MAKE) soak-netns

model: ## the model checker on larger networks, as a table: make model EACH=300
	cargo run -p chordial-simulator --bin model -- $(EACH)

tables: ## the published tables, ours beside theirs (docs/correctness.md): make tables TABLES="--full failures churn"
	cargo run --locked --release -p chordial-simulator --bin tables -- $(TABLES)

netns: ## real peers in network namespaces that are cut, stopped and killed; needs root and CHORDIAL_LABS
	.ci/netns-tools
	cargo test -p chordial-tests --features lab-netns --test netns -- --test-threads=3 --nocapture

# Seconds of faults of `make soak-netns`, and which.
SECONDS ?= 3600
SEED ?= 1

soak-netns: ## an hour of random faults on real peers, every answer judged: make soak-netns SECONDS=3600 SEED=1
	.ci/netns-tools
	CHORDIAL_HISTORY_SECONDS=$(SECONDS) CHORDIAL_SEED=$(SEED) cargo test -p chordial-tests --features lab-netns \
		--test netns -- --exact history::no_answer_breaks_a_promise_whatever_happens --nocapture

attacks: ## every port under attack, then servers as warp and tonic make them, as a table (docs/operations.md)
	cargo test --release -p chordial-tests --features lab-attacks --test attacks -- --test-threads=1 --nocapture
	cargo test --release -p chordial-tests --features lab-attacks --test attacks -- --nocapture \
		--exact stock::stock_servers_under_attack --ignored

BENCH = cargo run --locked --release --manifest-path benches/Cargo.toml

bench-index: ## publishing, renewing, searching, a keeper's memory, and rust-libp2p beside it (docs/performance.md); half an hour with building
	$(BENCH) --features libp2p --bin memory
	$(BENCH) --features libp2p --bin index

bench-libp2p: ## publishing and finding 1,000 names, ours and rust-libp2p's
	$(BENCH) --features libp2p --bin index -- libp2p

entrega: ## the coursework's deliverables, as chordial-entrega.zip
	docs/entrega/empaquetar
