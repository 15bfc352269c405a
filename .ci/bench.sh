#!/usr/bin/env bash
# Measures what we promise; needs a Docker engine and a quiet machine. ROWS="nodes cold" measures only those.
set -euo pipefail
cd "$(dirname "$0")/.."
.ci/engine.sh
# shellcheck disable=SC2086 -- several words are several groups
exec cargo bench --locked --profile bench-build --bench bench -- ${ROWS:-}
