#!/bin/sh
# Runs a command with the rights of root in namespaces of its own (users, network, mounts), for a user who has none:
#   deploy/rootless.sh node_modules/.bin/node deploy/demo.ts
# Needs a kernel that lets users make such namespaces. Nothing of the machine's own network is in reach from there.
set -eu
if [ "${1:-}" != inside ]; then
  exec unshare --user --map-root-user --net --mount sh "$0" inside "$@"
fi
shift
mount -t tmpfs tmpfs /run
mkdir -p /run/netns
mount -t tmpfs tmpfs /var/tmp
# The only user is root: FRR asks whether it is in its groups.
sed -e 's/^\(frrvty:[^:]*:[^:]*:\).*/\1root/' -e 's/^\(frr:[^:]*:[^:]*:\).*/\1root/' /etc/group >/run/group
mount --bind /run/group /etc/group
ip link set lo up
exec "$@"
