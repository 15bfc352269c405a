#!/usr/bin/env bash
# What takes longer than anybody waits for. Seeds that `make test` does not run; FIRST=n begins elsewhere.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

first=${FIRST:-5000}
step "simulation, seeds $first..$((first + 50000))"
CONDUCTO_SEEDS=$first..$((first + 50000)) cargo test --locked --lib -- --nocapture simulation::tests::five_thousand_seeds

seed=${CONDUCTO_FUZZ_SEED:-$(date +%s)}
step "readers under attack, ten minutes each, from seed $seed"
CONDUCTO_FUZZ_SEED=$seed CONDUCTO_FUZZ_SECONDS=${CONDUCTO_FUZZ_SECONDS:-600} cargo test --locked --test fuzz -- --nocapture --test-threads=2

step "a hundred kill -9 of a server, five hundred pipelines in containers"
.ci/engine.sh
cargo test --locked --test it -- --nocapture --ignored kills::a_hundred_kills

step "all of the soak passed"
