#!/usr/bin/env bash
# Makes .venv from the lock files: exactly what they name (hashes), then Ringfence itself, editable.
# Needs Python 3.11 or newer with venv or pip; installs nothing outside the checkout.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

say() { printf '%s\n' "$*" >&2; }

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.11 python3.12 python3.13 python3.14 python; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    say "Ringfence needs Python 3.11 or newer; none of python3, python3.11 … python3.14 is. Set PYTHON=/path/to/python3."
    exit 1
}

# Without ensurepip (Debian's python3 alone) a venv can still be made and filled by the pip outside it.
make_venv() {
    rm -rf .venv
    if "$python" -m venv .venv 2>/dev/null; then
        pip=(.venv/bin/python -m pip)
    elif "$python" -m pip --version >/dev/null 2>&1 && rm -rf .venv && "$python" -m venv --without-pip .venv; then
        pip=("$python" -m pip --python .venv/bin/python)
    else
        say "$python can make no virtual environment. On Debian, as root: apt-get install python3-venv"
        exit 1
    fi
}

python=$(find_python)
say "Python: $("$python" --version) ($python)"
pip=(.venv/bin/python -m pip)
if ! .venv/bin/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    say "Making .venv"
    make_venv
fi
install=("${pip[@]}" install -qq --disable-pip-version-check --no-input)
say "Installing what requirements.lock names"
"${install[@]}" --require-hashes -r requirements.lock
"${install[@]}" --require-hashes --no-deps -r requirements-nodeps.lock
"${install[@]}" --no-deps --no-build-isolation --editable .
cat requirements.lock requirements-nodeps.lock pyproject.toml | cksum >.venv/ready
