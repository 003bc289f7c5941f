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
"$cc" $flags -fPIC -shared -fvisibility=hidden -I"$include" -o build/podroute.node.$$ native/addon.c native/args.c native/netns.c native/socket.c native/thread.c native/turns.c native/watch.c
mv build/podroute.node.$$ build/podroute.node
echo "built build/podroute.node"

native/build-shim.sh build/podroute
echo "built build/podroute (static)"
