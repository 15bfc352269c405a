#!/usr/bin/env bash
# The Python SDK: its tests in every Python of this machine, its types, and the comparison with the old client.
# `.ci/sdk.sh dist` builds wheel and source archive instead, and tries the wheel.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
sdk=$root/sdk/python
made=$root/target/sdk
mkdir -p "$made"
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONPATH NO_COLOR __RUN_BY_WORKER__ CONDUCTO_GLUE_DEBUG

# Runs a command; shows its output only if it fails, else the last line that says what was done.
quiet() { # what, command...
    local what=$1 log
    shift
    log=$(mktemp)
    if "$@" >"$log" 2>&1; then
        printf '%s: %s\n' "$what" "$(grep -v '^$' "$log" | tail -n 1)"
        rm "$log"
    else
        printf '%s: failed\n' "$what"
        cat "$log"
        rm "$log"
        return 1
    fi
}

# Real interpreters, one a minor version, oldest first: `3.8 /path/to/python`.
interpreters() {
    local candidate
    for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/*/bin/python3 /usr/{local/,}bin/python3.{[0-9],[0-9][0-9]} \
        $(for minor in $(seq 8 30); do command -v "python3.$minor" || true; done) $(command -v python3 || true); do
        [ -x "$candidate" ] || continue
        # A shim of pyenv may stand for a version that is not chosen here.
        "$candidate" -c 'import sys, venv; v = sys.version_info; v >= (3, 8) and print(*v[:2], sys.executable)' 2>/dev/null || true
    done | sort -k1n -k2n -s -u | awk '{ key = $1 "." $2; if (!seen[key]++) print key, $3 }'
}

# Makes an environment once for what is asked: `environment NAME PYTHON REQUIREMENT...`.
environment() {
    local name=$1 python=$2 folder asked
    shift 2
    folder=$made/$name
    asked="$python $* $(cat "$sdk/oracle/constraints.txt")"
    if [ "$(cat "$folder/asked" 2>/dev/null)" != "$asked" ]; then
        rm -rf "$folder"
        "$python" -m venv "$folder"
        "$folder/bin/python" -m pip install -q "$@"
        printf '%s\n' "$asked" >"$folder/asked"
    fi
    echo ready
}

found=$(interpreters)
newest=$(printf '%s\n' "$found" | tail -n 1)
python=${newest#* }
if ! printf '%s\n' "$found" | awk -F '[. ]' '$1 == 3 && $2 >= 13 { ok = 1 } END { exit !ok }'; then
    echo "error: the SDK must be tested in Python 3.13 or later, and there is none here" >&2
    echo "found: $(printf '%s\n' "$found" | cut -d ' ' -f 1 | tr '\n' ' ')" >&2
    echo "help: install one: apt-get install python3.13 python3.13-venv, or pyenv install 3.13" >&2
    exit 1
fi

if [ "${1:-}" = dist ]; then
    quiet "build environment" environment build "$python" build==1.3.0 setuptools==80.9.0 wheel==0.45.1
    rm -rf "$made/dist" "$made/source" "$made/try"
    # A copy: building leaves folders behind.
    cp -r "$sdk" "$made/source"
    quiet "wheel and source archive" "$made/build/bin/python" -m build --no-isolation --outdir "$made/dist" "$made/source"
    rm -rf "$made/source"
    quiet "fresh environment" "$python" -m venv "$made/try"
    quiet "install the wheel" "$made/try/bin/python" -m pip install --no-index "$made"/dist/*.whl
    cd "$made"
    quiet "import it" try/bin/python -c 'import conducto; print("conducto", conducto.__version__)'
    for command in conducto conducto-data-pipeline conducto-data-user conducto-temp-data conducto-perm-data; do
        try/bin/$command --help >/dev/null 2>&1 || { echo "error: $command does not run" >&2; exit 1; }
    done
    rm -rf try
    ls dist
    exit
fi

# Two at a time: each is one process, and most machines have two processors at least.
test_in() { # version, interpreter
    cd "$sdk" && quiet "tests in Python $1" "$2" -W error::DeprecationWarning:conducto -m unittest -q
}
failed=
waiting=()
join_tests() { for job in "${waiting[@]}"; do wait "$job" || failed=yes; done; waiting=(); }
while read -r version interpreter; do
    test_in "$version" "$interpreter" &
    waiting+=($!)
    [ "${#waiting[@]}" -lt 2 ] || join_tests
done <<<"$found"
[ "${#waiting[@]}" = 0 ] || join_tests

quiet "linters" environment linters "$python" mypy==1.18.2 ruff==0.14.5
pipelines=$root/tests/fixtures/pipelines
lint() { "$made/linters/bin/ruff" "$@" --no-cache --config "$sdk/pyproject.toml" "$sdk" "$pipelines"; }
quiet "lints" lint check || failed=yes
quiet "format" lint format --check || failed=yes
quiet "types" "$made/linters/bin/mypy" --config-file "$sdk/pyproject.toml" --cache-dir "$made/mypy-cache" "$sdk/src/conducto" || failed=yes

old=$(printf '%s\n' "$found" | awk -F '[. ]' '$2 >= 8 && $2 <= 10 { print; exit }')
# From 3.11 on it takes the wrong line, and folder, for what is made at the top of a file.
[ -n "$old" ] || {
    echo "error: the client that the SDK is compared with runs on Python 3.8 to 3.10, and there is none here" >&2
    echo "help: install one: pyenv install 3.9" >&2
    exit 1
}
quiet "old client in Python ${old%% *}" environment "old-${old%% *}" "${old#* }" conducto==0.1.28 \
    setuptools -c "$sdk/oracle/constraints.txt"
others=$(printf '%s\n' "$found" | grep -v "^${old%% *} " | cut -d ' ' -f 2-)
# shellcheck disable=SC2086 -- several words are several interpreters
quiet "comparison" "$python" "$sdk/oracle/compare.py" --old "$made/old-${old%% *}/bin/python" --also $others || failed=yes

[ -z "$failed" ] || exit 1
