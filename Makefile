.DEFAULT_GOAL := help
.PHONY: help check fix test demo soak tables

# Seeds of `make soak`: each is one network under random faults.
SEEDS ?= 10000

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r c w; do printf '%-12s %s\n' "$$c" "$$w"; done

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

soak: ## the simulator's random faults over many seeds: make soak SEEDS=10000
	CHORDIAL_SEEDS=$(SEEDS) cargo test --release -p chordial-simulator --test simulation -- \
		--exact after_any_mix_of_faults_ring_and_index_become_exact --nocapture

tables: ## the published tables, ours beside theirs (docs/correctness.md): make tables TABLES="--full failures churn"
	cargo run --locked --release -p chordial-simulator --bin tables -- $(TABLES)
