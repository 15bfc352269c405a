#!/usr/bin/env bash
# Builds the image of the server from a binary and says its name.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${1:-target/x86_64-unknown-linux-gnu/release/conducto}
name=${2:-conducto}
docker build -q -t "$name" -f deploy/Dockerfile "$(dirname "$binary")" >/dev/null
echo "$name"
