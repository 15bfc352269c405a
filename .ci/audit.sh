#!/usr/bin/env bash
# Checks by tools that not every machine has; those that are missing are named, not counted as passed.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=
for check in "cargo-deny:cargo deny check" "cargo-shear:cargo shear" "typos:typos" "zizmor:zizmor ."; do
    tool=${check%%:*}
    if command -v "$tool" >/dev/null; then
        echo "== $tool"
        ${check#*:} || failed="$failed $tool"
    else
        echo "== $tool is not installed: not checked"
    fi
done
[ -z "$failed" ] || { echo "error: failed:$failed" >&2; exit 1; }
