/**
 * Why a path is not told to a group of peers, as `Exporter.refusal` has it after `Exporter.exported` answered 0. In the order they are asked;
 * above 0, since the cache of the exporter keeps them negated.
 */
export const ExportRefusal = {
  /** A term of the export policy, or its default. */
  Policy: 1,
  /** Only what this node originates is told here (Calico's export rule). */
  LocalOnly: 2,
  /** From iBGP to iBGP, and neither side is a client (RFC 4271 §9.2, RFC 4456 §6). */
  IbgpToIbgp: 3,
  /** NO_ADVERTISE, NO_EXPORT and NO_EXPORT_SUBCONFED, RFC 1997. */
  NoAdvertise: 4,
  NoExport: 5,
  NoExportSubconfed: 6,
  /** There is no address to name as next hop. */
  NoNextHop: 7,
  /** The attributes fit into no message. */
  TooLong: 8,
  /** ONLY_TO_CUSTOMER, and the peer is no customer (RFC 9234 §5). */
  OnlyToCustomer: 9,
  /** From a client to another of its cluster, where the clients speak to each other (RFC 4456). */
  ClientToClient: 10,
} as const;
export type ExportRefusal = (typeof ExportRefusal)[keyof typeof ExportRefusal];

/** The reasons by name, for programs; the name of a number is `exportRefusalName`. */
const names = {
  [ExportRefusal.Policy]: 'export-policy',
  [ExportRefusal.LocalOnly]: 'not-originated-here',
  [ExportRefusal.IbgpToIbgp]: 'ibgp-to-ibgp',
  [ExportRefusal.NoAdvertise]: 'no-advertise',
  [ExportRefusal.NoExport]: 'no-export',
  [ExportRefusal.NoExportSubconfed]: 'no-export-subconfed',
  [ExportRefusal.NoNextHop]: 'no-next-hop',
  [ExportRefusal.TooLong]: 'too-long',
  [ExportRefusal.OnlyToCustomer]: 'only-to-customer',
  [ExportRefusal.ClientToClient]: 'client-to-client',
} as const satisfies Record<ExportRefusal, string>;
export type ExportRefusalName = (typeof names)[ExportRefusal];

/** Name of a reason. */
export function exportRefusalName(refusal: ExportRefusal): ExportRefusalName {
  return names[refusal];
}
