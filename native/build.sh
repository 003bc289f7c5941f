#!/bin/sh
# Builds what is in C: the addon (build/podroute.node) and the CNI relay (build/podroute, static).
# Needs only a C compiler; the headers of Node come with the pinned node-linux-* package.
set -eu
cd "$(dirname "$0")/.."

cc=${CC:-cc}
if ! command -v "$cc" >/dev/null 2>&1; then
  echo "native/build.sh: no C compiler ('$cc'): install one (Debian: apt-get install gcc libc6-dev) or set CC" >&2
  exit 1
fi

include=
for dir in ${NODE_INCLUDE:-} node_modules/node-linux-*/include/node; do
  if [ -f "$dir/node_api.h" ]; then include=$dir; break; fi
done
if [ -z "$include" ]; then
  echo "native/build.sh: no node_api.h under node_modules/node-linux-*/include/node: run 'npm ci' or set NODE_INCLUDE" >&2
  exit 1
fi

mkdir -p build
flags="-std=gnu11 -O2 -Wall -Wextra -Werror"

# Built beside the target and renamed, so that a running program never sees half a file.
"$cc" $flags -fPIC -shared -fvisibility=hidden -I"$include" -o build/podroute.node.$$ native/addon.c
mv build/podroute.node.$$ build/podroute.node
echo "built build/podroute.node"

if [ -f native/cni/podroute.c ]; then
  if command -v musl-gcc >/dev/null 2>&1; then static="musl-gcc"; else static="$cc"; fi
  if ! "$static" $flags -static -o build/podroute.$$ native/cni/podroute.c; then
    if [ "$static" = "$cc" ]; then exit 1; fi
    echo "native/build.sh: $static failed, trying $cc" >&2
    "$cc" $flags -static -o build/podroute.$$ native/cni/podroute.c
  fi
  strip build/podroute.$$ 2>/dev/null || true
  mv build/podroute.$$ build/podroute
  echo "built build/podroute (static)"
fi
