#!/bin/sh
# Installs this bundle: ./install.sh --help. Finds the Python that it is for; the rest is in
# installer/, which needs nothing but that Python.
set -eu
here=$(CDPATH='' cd -P -- "$(dirname -- "$(readlink -f -- "$0")")" && pwd)
wanted=@PYTHON@
machine=$(uname -m)
if [ "$machine" != "@ARCHITECTURE@" ]; then
    printf 'error: this bundle is for another processor; nothing was changed\n  observed: %s\n  expected: %s\n  remedy:   %s\n' \
        "$machine" "@ARCHITECTURE@" \
        "a Raspberry Pi 3 or newer with the 64-bit Raspberry Pi OS takes it" >&2
    exit 34
fi
python=$(command -v "python$wanted" || true)
if [ -z "$python" ]; then
    printf 'error: this bundle is for Python %s, which is not here; nothing was changed\n  observed: %s\n  expected: python%s\n  remedy:   %s\n' \
        "$wanted" "$(python3 --version 2>/dev/null || echo 'no python3')" "$wanted" \
        "package it for this system on the workstation: edgecnn package BUILD --os bookworm (Python 3.11) or trixie (3.13)" >&2
    exit 34
fi
# -I: nothing from the environment, the current folder or the user's own packages; -B: no bytecode
# beside the files, which are compared with the manifest.
exec "$python" -I -B "$here/installer/start.py" "$@"
