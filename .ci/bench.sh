#!/usr/bin/env bash
# Measures what we promise; needs a Docker engine and a quiet machine.
set -euo pipefail
cd "$(dirname "$0")/.."
.ci/engine.sh
cargo build --locked --profile bench-build
exec target/x86_64-unknown-linux-gnu/bench-build/conducto bench "$@"
