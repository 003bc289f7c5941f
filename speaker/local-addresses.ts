import { type IpAddress, ipEquals, isLinkLocal, type Prefix, prefixContains } from 'bgp-ts';

interface LocalAddress {
  readonly interfaceName: string;
  readonly address: IpAddress;
  readonly subnet: Prefix;
}

/** The addresses of this machine's interfaces at one moment. */
export class LocalAddresses {
  readonly #addresses: readonly LocalAddress[];

  constructor(addresses: readonly LocalAddress[]) {
    this.#addresses = addresses;
  }

  /** All of them: a received path that names one as its next hop is never used (RFC 4271 §5.1.3). */
  all(): IpAddress[] {
    return this.#addresses.map(({ address }) => address);
  }

  /** Whether the same addresses are on the same interfaces, in the same order. */
  equals(other: LocalAddresses): boolean {
    return (
      this.#addresses.length === other.#addresses.length &&
      this.#addresses.every(({ interfaceName, address, subnet }, i) => {
        const theirs = other.#addresses[i];
        return (
          theirs?.interfaceName === interfaceName &&
          ipEquals(theirs.address, address) &&
          theirs.subnet.length === subnet.length
        );
      })
    );
  }

  /**
   * The link that a peer is on, and the own link-local address there: the interface of the session, or the one whose subnet has the peer in
   * it. Undefined for a peer that is further away.
   */
  linkTowards(
    peer: IpAddress,
    device: string | undefined,
  ): { readonly interfaceName: string; readonly linkLocal: IpAddress | undefined } | undefined {
    const way =
      device !== undefined && isLinkLocal(peer)
        ? { interfaceName: device }
        : this.#addresses.find(({ subnet, address }) => prefixContains(subnet, peer) && !isLinkLocal(address));
    if (way === undefined) return undefined;
    const { interfaceName } = way;
    const own = this.#addresses.find((entry) => entry.interfaceName === interfaceName && isLinkLocal(entry.address));
    return { interfaceName, linkLocal: own?.address };
  }

  /** A global address of `version` on an interface. */
  onInterface(interfaceName: string, version: 4 | 6): IpAddress | undefined {
    return this.#addresses.find(
      (entry) =>
        entry.interfaceName === interfaceName && entry.address.version === version && !isLinkLocal(entry.address),
    )?.address;
  }

  /**
   * A global address of `version` on the interface towards a peer: the one that holds `local`, else the one whose subnet has
   * the peer in it.
   */
  towards(peer: IpAddress, local: IpAddress | undefined, version: 4 | 6): IpAddress | undefined {
    const way = this.#addresses.find((entry) =>
      local === undefined ? prefixContains(entry.subnet, peer) : ipEquals(entry.address, local),
    );
    if (way === undefined) return undefined;
    return this.onInterface(way.interfaceName, version);
  }
}
