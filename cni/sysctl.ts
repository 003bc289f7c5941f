import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';

/**
 * `/proc/sys/net`, which shows the network namespace of the calling thread: everything here is synchronous, so that it
 * can run inside `withNetns`.
 */
const root = '/proc/sys/net';

/** Sets `net/PATH`. @throws Error when there is no such switch or it cannot be written */
export function writeSysctl(path: string, value: string): void {
  const fd = openSync(`${root}/${path}`, 'w');
  try {
    writeSync(fd, value);
  } finally {
    closeSync(fd);
  }
}

/** Reads `net/PATH`; undefined when there is none. */
export function readSysctl(path: string): string | undefined {
  try {
    return readFileSync(`${root}/${path}`, 'latin1').trim();
  } catch {
    return undefined;
  }
}

/** Sets `net/PATH` unless it has that value. */
export function ensureSysctl(path: string, value: string): void {
  if (readSysctl(path) !== value) writeSysctl(path, value);
}

/**
 * Makes the node forward. Turning IPv6 forwarding on makes interfaces with `accept_ra` 1 ignore router advertisements,
 * which would cost a node its own default route: those get 2, "accept them although forwarding".
 */
export function enableForwarding(families: { readonly ipv4: boolean; readonly ipv6: boolean }): void {
  if (families.ipv4) ensureSysctl('ipv4/ip_forward', '1');
  if (!families.ipv6 || readSysctl('ipv6/conf/all/forwarding') === '1') return;
  for (const name of readdirSync(`${root}/ipv6/conf`)) {
    if (name === 'all' || name === 'default' || name === 'lo') continue;
    if (readSysctl(`ipv6/conf/${name}/accept_ra`) === '1') writeSysctl(`ipv6/conf/${name}/accept_ra`, '2');
  }
  writeSysctl('ipv6/conf/all/forwarding', '1');
}

/**
 * Makes the host end of a veth a router for its pod: it forwards, answers ARP at once for whatever lies behind it,
 * drops what does not come from the pod's own address, and believes no router advertisement of the pod.
 */
export function setHostEnd(name: string, families: { readonly ipv4: boolean; readonly ipv6: boolean }): void {
  if (families.ipv4) {
    // Inherited on a node that forwards; writing it takes the kernel's interface lock, reading does not.
    ensureSysctl(`ipv4/conf/${name}/forwarding`, '1');
    writeSysctl(`ipv4/conf/${name}/proxy_arp`, '1');
    writeSysctl(`ipv4/conf/${name}/rp_filter`, '1');
    writeSysctl(`ipv4/neigh/${name}/proxy_delay`, '0');
  }
  if (families.ipv6) {
    ensureSysctl(`ipv6/conf/${name}/disable_ipv6`, '0');
    writeSysctl(`ipv6/conf/${name}/accept_ra`, '0');
    ensureSysctl(`ipv6/conf/${name}/forwarding`, '1');
    writeSysctl(`ipv6/conf/${name}/proxy_ndp`, '1');
  }
}
