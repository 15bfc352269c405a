#!/usr/bin/env bash
# Makes sure that a Docker engine and the tools the tests lean on are there: installs and starts what is missing where it
# may (root on a Debian machine), else says what to do and fails.  With `--optional` a missing engine is no failure.
set -euo pipefail

optional=${1:-}
as_root_on_debian() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

updated=
install() {
    if ! as_root_on_debian; then return 1; fi
    if [ -z "$updated" ]; then
        echo "installing what is missing: $*" >&2
        apt-get update -qq >/dev/null && updated=yes
    fi
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

need() { # command, package
    command -v "$1" >/dev/null && return
    install "$2" && command -v "$1" >/dev/null && return
    echo "error: \`$1\` is missing" >&2
    echo "help: install it (Debian, Ubuntu: apt-get install $2)" >&2
    exit 1
}

no_engine() {
    if [ "$optional" = --optional ]; then
        echo "no Docker engine here: nodes will run as plain processes" >&2
        exit 0
    fi
    echo "error: no Docker engine answers, and the tests need a real one" >&2
    echo "help: install and start Docker, and let this user reach its socket; \`docker info\` must succeed" >&2
    exit 1
}

start_engine() {
    mkdir -p target
    echo "starting dockerd; its log is target/dockerd.log" >&2
    setsid nohup dockerd >target/dockerd.log 2>&1 </dev/null &
    for _ in $(seq 60); do
        docker info >/dev/null 2>&1 && return
        sleep 1
    done
    tail -n 5 target/dockerd.log >&2
    return 1
}

cd "$(dirname "$0")/.."
need git git
# A static busybox becomes the image of the tests and of the demo: no registry is asked.
if ! busybox_path=$(command -v busybox) || [ -z "$busybox_path" ]; then
    if [ "$optional" = --optional ]; then install busybox-static || true; else need busybox busybox-static; fi
fi
if ! docker info >/dev/null 2>&1; then
    as_root_on_debian || no_engine
    command -v dockerd >/dev/null || install docker.io || no_engine
    start_engine || no_engine
fi
