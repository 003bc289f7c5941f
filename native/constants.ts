/** Numbers of Linux that the callers of the addon need and `node:os` does not have. All are the same on x64 and arm64. */

/** Address families (`AF_*`). */
export const AddressFamily = { Unspec: 0, Unix: 1, Inet: 2, Inet6: 10, Netlink: 16, Packet: 17 } as const;
export type AddressFamily = (typeof AddressFamily)[keyof typeof AddressFamily];

/** Socket types (`SOCK_*`). Every socket the addon makes is close-on-exec without asking. */
export const SocketType = { Stream: 1, Datagram: 2, Raw: 3, NonBlocking: 0o4000 } as const;

/** Protocols (`IPPROTO_*`, `NETLINK_*`). */
export const SocketProtocol = { Tcp: 6, Udp: 17, Icmpv6: 58, NetlinkRoute: 0 } as const;

/** Levels of `setsockopt`. */
export const SocketLevel = { Socket: 1, Ip: 0, Tcp: 6, Ipv6: 41, Icmpv6: 58, Netlink: 270 } as const;

/** Options of `setsockopt`; the prefix names the level. */
export const SocketOption = {
  SO_REUSEADDR: 2,
  SO_ERROR: 4,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_KEEPALIVE: 9,
  SO_PRIORITY: 12,
  SO_REUSEPORT: 15,
  SO_BINDTODEVICE: 25,
  SO_ATTACH_FILTER: 26,
  SO_DETACH_FILTER: 27,
  SO_SNDBUFFORCE: 32,
  SO_RCVBUFFORCE: 33,
  SO_MARK: 36,
  IP_TOS: 1,
  IP_TTL: 2,
  IP_PKTINFO: 8,
  IP_PKTOPTIONS: 9,
  IP_RECVTTL: 12,
  IP_FREEBIND: 15,
  IP_MINTTL: 21,
  IPV6_2292PKTOPTIONS: 6,
  IPV6_2292HOPLIMIT: 8,
  IPV6_UNICAST_HOPS: 16,
  IPV6_MULTICAST_IF: 17,
  IPV6_MULTICAST_HOPS: 18,
  IPV6_MULTICAST_LOOP: 19,
  IPV6_JOIN_GROUP: 20,
  IPV6_V6ONLY: 26,
  IPV6_RECVPKTINFO: 49,
  IPV6_RECVHOPLIMIT: 51,
  IPV6_TCLASS: 67,
  IPV6_MINHOPCOUNT: 73,
  IPV6_FREEBIND: 78,
  ICMP6_FILTER: 1,
  TCP_NODELAY: 1,
  TCP_MAXSEG: 2,
  TCP_SYNCNT: 7,
  TCP_INFO: 11,
  TCP_MD5SIG: 14,
  TCP_USER_TIMEOUT: 18,
  TCP_MD5SIG_EXT: 32,
  NETLINK_ADD_MEMBERSHIP: 1,
  NETLINK_NO_ENOBUFS: 5,
  NETLINK_CAP_ACK: 10,
  NETLINK_EXT_ACK: 11,
  NETLINK_GET_STRICT_CHK: 12,
} as const;

/** Flags of `send` and `recv` (`MSG_*`). `NoSignal` is always set by the addon. */
export const MessageFlag = { Peek: 2, Trunc: 0x20, DontWait: 0x40, NoSignal: 0x4000 } as const;

/** What a watcher waits for; `poll` and `Watcher` use the same numbers. */
export const PollEvent = { Readable: 1, Writable: 2, Disconnect: 4, Error: 0x80 } as const;
