#!/bin/sh
# Creates .venv and installs the locked dependencies into it. `make setup` runs it when they have changed.
#
# Needs a Python (its name is the only argument) and nothing else: no writable home, no pip in the Python, no uv.
set -eu

python=${1:-python3}
venv=.venv
uv_version=0.13.8

say() { printf '%s\n' "$*" >&2; }

find_python() {
    for candidate in "$python" python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$candidate
            return
        fi
    done
    say "godwit needs Python 3.11 or later, and \`$python\` is not one: make setup PYTHON=/path/to/python3"
    exit 1
}

# uv keeps its cache in the home directory. A user without one gets a cache here for the duration of the installation.
find_cache() {
    home_cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}
    if [ -z "${UV_CACHE_DIR:-}" ] && ! { mkdir -p "$home_cache" && [ -w "$home_cache" ]; } 2>/dev/null; then
        UV_CACHE_DIR=$PWD/$venv/.cache
        export UV_CACHE_DIR PIP_NO_CACHE_DIR=1
        trap 'rm -rf "$UV_CACHE_DIR"' EXIT
    fi
}

# Three ways to get a virtual environment and uv, depending on what the machine has.
make_venv() {
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv "$venv"
        find_uv || "$venv/bin/python" -m pip install --quiet "uv==$uv_version"
    elif "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --without-pip "$venv"
        find_uv || "$python" -m pip --python "$venv/bin/python" install --quiet "uv==$uv_version"
    elif find_uv; then
        "$uv" venv --quiet --allow-existing --python "$python" "$venv"
    else
        say "\`$python\` can neither create virtual environments nor run pip: install python3-venv (or pip, or uv)"
        exit 1
    fi
    find_uv
}

find_uv() {
    for candidate in "$PWD/$venv/bin/uv" uv; do
        if "$candidate" --version >/dev/null 2>&1; then
            uv=$candidate
            return 0
        fi
    done
    return 1
}

# uv does not read pip's configuration, so pass on the package index that this machine has configured for pip.
follow_pip() {
    index=${PIP_INDEX_URL:-$("$python" -m pip config get global.index-url 2>/dev/null || true)}
    if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
        UV_DEFAULT_INDEX=$index
        export UV_DEFAULT_INDEX
    fi
}

install_locked() {
    follow_pip
    if ! uv_install --require-hashes --compile-bytecode -r requirements.lock; then
        say "uv could not install; trying pip"
        "$python" -m pip --python "$venv/bin/python" install --require-hashes -r requirements.lock
    fi
    uv_install --offline --no-build-isolation --no-deps --editable .
}

uv_install() { VIRTUAL_ENV=$PWD/$venv "$uv" pip install --quiet "$@"; }

find_python
say "installing into $venv (once, and again whenever requirements.lock changes)"
mkdir -p "$venv"
find_cache
make_venv
install_locked
touch "$venv/.installed"
