# FRR from Debian, as a router in docker-compose.yml. Configuration: /etc/frr/frr.conf and /etc/frr/daemons.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends frr iproute2 iputils-ping \
 && rm -rf /var/lib/apt/lists/*
COPY deploy/image/frr-start /usr/local/sbin/frr-start
ENTRYPOINT ["/usr/local/sbin/frr-start"]
