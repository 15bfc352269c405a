#!/usr/bin/env bash
# All tests. Fails when a Docker engine cannot be had: a pass without it would say less than it seems.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; }

step "Docker engine and tools"
.ci/engine.sh

step "the web app: types, tests, size"
.ci/web.sh build
.ci/web.sh check

step "format"
cargo fmt --check

step "lints"
cargo clippy --locked --all-targets -- -D warnings

# Generated files (schemas, example settings, OpenAPI) are compared inside the tests; `make update` writes them again.
step "tests"
INSTA_UPDATE=no cargo test --locked

# Two at a time, a minute each; in `cargo test` above they ran for seconds.
step "readers under attack"
CONDUCTO_FUZZ_SECONDS=${CONDUCTO_FUZZ_SECONDS:-60} cargo test --locked --test fuzz -- --nocapture --test-threads=2

step "the binary needs nothing from its surroundings"
cargo build --locked
.ci/static.sh target/x86_64-unknown-linux-gnu/debug/conducto

step "the web app in a real browser"
.ci/web.sh browser

step "the Python SDK, in every Python of this machine"
.ci/sdk.sh

step "all tests passed"
