#!/usr/bin/env bash
# The web app. build [--optional] | check | browser | screenshots
#
# `build` needs Node and the package registry once; with --optional, a machine without them goes on with the pages that need
# no script. `browser` and `screenshots` drive the built server in a real Chromium, installed from the distribution if it is
# missing.
set -euo pipefail
cd "$(dirname "$0")/../web"

binary=../target/x86_64-unknown-linux-gnu/debug/conducto

fetch() {
    # What is there already and fits the lock file is not fetched again.
    if [ ! -d node_modules ] || ! cmp -s package-lock.json node_modules/.conducto-lock; then
        npm ci --ignore-scripts --no-audit --no-fund
        cp package-lock.json node_modules/.conducto-lock
    fi
}

build() {
    if ! command -v npm >/dev/null; then
        [ "${1:-}" = --optional ] || { echo "web: Node is missing; see engines in web/package.json" >&2; exit 1; }
        echo "web: no Node here; the pages without script are served instead"
        return
    fi
    if ! { fetch && npm run --silent build; }; then
        [ "${1:-}" = --optional ] || exit 1
        echo "web: the app could not be built; the pages without script are served instead"
    fi
}

chromium() {
    # -P: the program, not this function.
    type -P chromium >/dev/null || {
        apt-get update -qq >&2 && apt-get install -y --no-install-recommends chromium >/dev/null
    }
    type -P chromium
}

case "${1:-}" in
build) build "${2:-}" ;;
check)
    fetch
    npm run --silent check
    npm run --silent test
    ;;
browser | screenshots)
    fetch
    [ -f dist/app/index.html ] || build
    (cd .. && cargo build --locked)
    CHROMIUM=$(chromium) CONDUCTO=$binary node browser/main.js "$1"
    ;;
*)
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
