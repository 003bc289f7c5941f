#!/bin/sh
# Brings a bare Debian machine with Node and root to where everything here runs. What is there already is left alone, so
# that a second call takes a moment.
#   deploy/setup.sh demo    what the demonstration needs
#   deploy/setup.sh test    the same and the daemons that the tests run against
#   deploy/setup.sh bench   the same as demo and the daemons that `npm run bench:peers` measures
set -eu
cd "$(dirname "$0")/.."

purpose=${1:-demo}
packages="gcc libc6-dev make iproute2 iputils-ping ca-certificates frr redis-server"
case $purpose in
  demo) ;;
  test) packages="$packages openssl redis-sentinel containerd runc containernetworking-plugins iptables iperf3 bird2 gobgpd openbgpd exabgp nftables tcpdump bash zsh fish" ;;
  bench) packages="$packages bird2 openbgpd gobgpd" ;;
  *) echo "setup.sh: '$purpose': expected demo, test or bench" >&2; exit 2 ;;
esac

missing=""
for package in $packages; do
  status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null || true)
  [ "$status" = "install ok installed" ] || missing="$missing $package"
done

if [ -n "$missing" ]; then
  if [ "$(id -u)" != 0 ]; then
    echo "setup.sh: these packages are missing and installing them needs root:$missing" >&2
    exit 1
  fi
  echo "setup: installing$missing"
  # The routing daemons run in namespaces of their own; nothing of theirs is to start on this machine's network.
  guard=/usr/sbin/policy-rc.d
  made_guard=no
  if [ ! -e "$guard" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$guard"
    chmod +x "$guard"
    made_guard=yes
  fi
  log=$(mktemp)
  if ! { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    [ "$made_guard" = no ] || rm -f "$guard"
    exit 1
  fi
  rm -f "$log"
  [ "$made_guard" = no ] || rm -f "$guard"
  if command -v systemctl >/dev/null 2>&1; then
    for unit in frr bird gobgpd openbgpd exabgp redis-server containerd; do
      case "$missing" in *"${unit%d}"*) systemctl disable "$unit" >/dev/null 2>&1 || true ;; esac
    done
  fi
fi

if ! command -v npm >/dev/null 2>&1; then
  echo "setup.sh: npm is missing: install Node (any version from 18 up; the project brings its own Node 24)" >&2
  exit 1
fi

if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo "setup: npm ci"
  npm ci --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
fi

# Some versions of npm leave out the links of packages that are optional.
if [ ! -x node_modules/.bin/node ]; then
  case $(uname -m) in
    x86_64) arch=x64 ;;
    aarch64) arch=arm64 ;;
    *) echo "setup.sh: $(uname -m): the project brings Node 24 for x86_64 and aarch64 only" >&2; exit 1 ;;
  esac
  mkdir -p node_modules/.bin
  ln -sf "../node-linux-$arch/bin/node" node_modules/.bin/node
fi

sh native/build.sh
