#!/bin/sh
# Builds the CNI plugin as a static executable: build/podroute. Needs musl-gcc, or cc with a static libc.
set -eu
cd "$(dirname "$0")/.."
out=${1:-build/podroute}
mkdir -p "$(dirname "$out")"
flags='-std=gnu11 -Os -Wall -Wextra -Werror -static -s'
if command -v musl-gcc >/dev/null 2>&1; then compiler=musl-gcc; else compiler=${CC:-cc}; fi
# shellcheck disable=SC2086
$compiler $flags -o "$out.tmp.$$" native/podroute.c
mv -f "$out.tmp.$$" "$out"
