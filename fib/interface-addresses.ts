import { type IpAddress, maskIp, type Prefix } from 'bgp-ts';
import { AddressFlag, decodeAddress, dumpAddresses } from '../netlink/address.ts';
import { decodeLink, dumpLinks } from '../netlink/link.ts';
import { NetlinkSocket, type NetlinkSocketOptions } from '../netlink/socket.ts';

/** An address of an interface of this machine. */
export interface AddressOnInterface {
  readonly interfaceName: string;
  readonly address: IpAddress;
  /** What the address says is on the link. */
  readonly subnet: Prefix;
}

const BUFFER_OCTETS = 64 * 1024;

/**
 * The addresses of all interfaces that are up, as the kernel has them now. `os.networkInterfaces()` leaves out an interface until its operational
 * state says that it runs, which on a busy machine is up to a second after the link carries packets: by then a session over it can be up.
 * @throws NetlinkError if the kernel cannot be asked
 */
export function readInterfaceAddresses(options: Pick<NetlinkSocketOptions, 'netnsFd'> = {}): AddressOnInterface[] {
  const socket = NetlinkSocket.open({ ...options, buffer: new Uint8Array(BUFFER_OCTETS) });
  try {
    const links = socket.querySync(dumpLinks(), decodeLink).filter(({ isUp }) => isUp);
    const names = new Map(links.map(({ index, name }) => [index, name]));
    return socket.querySync(dumpAddresses(), decodeAddress).flatMap((entry) => {
      const { version, octets, prefixLength, interfaceIndex, flags = 0 } = entry;
      const interfaceName = names.get(interfaceIndex);
      // An address that another machine on the link has too is not used.
      if (interfaceName === undefined || (flags & AddressFlag.DadFailed) !== 0) return [];
      const address: IpAddress = { version, octets };
      return [{ interfaceName, address, subnet: { address: maskIp(address, prefixLength), length: prefixLength } }];
    });
  } finally {
    socket.close();
  }
}
