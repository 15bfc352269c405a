#!/usr/bin/env bash
# Fails unless the given binary is static: it is mounted into containers of any flavour.
set -euo pipefail
if readelf --program-headers "$1" 2>/dev/null | grep -q 'Requesting program interpreter'; then
    echo "error: $1 is not static" >&2
    exit 1
fi
"$1" --version >/dev/null
echo "$1: static, $(du -h "$1" | cut -f1)"
