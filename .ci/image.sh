#!/usr/bin/env bash
# Builds the image of the server from a binary and says its name.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=${1:-target/x86_64-unknown-linux-gnu/release/conducto}
name=${2:-conducto}
# Only these two files: beside the binary lies all that the build has left.
tar -c -C "$(realpath "$(dirname "$binary")")" conducto -C "$PWD/deploy" Dockerfile | docker build -q -t "$name" - >/dev/null
echo "$name"
