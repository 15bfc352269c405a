#!/usr/bin/env bash
# The whole way of a push, on this machine alone. KEEP=1 leaves the server running.
set -euo pipefail
cd "$(dirname "$0")/.."
.ci/engine.sh --optional
cargo build --locked
exec target/x86_64-unknown-linux-gnu/debug/conducto demo ${KEEP:+--keep}
