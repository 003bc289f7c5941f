import type { Random } from './random.ts';
import { address4, capabilitiesParameter, capability, type RawOpen, u16, u32, writeOpen } from './wire.ts';

/** Who a peer is when it greets. */
export interface Greeter {
  readonly asn: number;
  readonly identifier: string;
  /** False: no capability for four-octet AS numbers. */
  readonly fourOctetAs?: boolean;
  readonly families?: readonly (readonly [afi: number, safi: number])[];
  /** AFI and send/receive of each ADD-PATH entry. */
  readonly addPath?: readonly (readonly [afi: number, sendReceive: number])[];
  readonly holdSeconds?: number;
}

/** The body of an OPEN that is right. */
export function goodOpen(greeter: Greeter): number[] {
  return writeOpen(openOf(greeter));
}

function openOf(greeter: Greeter): RawOpen & { readonly capabilities: number[][] } {
  const {
    asn,
    identifier,
    fourOctetAs = true,
    families = [
      [1, 1],
      [2, 1],
    ],
    addPath = [],
    holdSeconds = 90,
  } = greeter;
  const capabilities = families.map(([afi, safi]) => capability(1, [...u16(afi), 0, safi]));
  capabilities.push(capability(2, []));
  if (fourOctetAs) capabilities.push(capability(65, u32(asn)));
  if (addPath.length > 0)
    capabilities.push(
      capability(
        69,
        addPath.flatMap(([afi, how]) => [...u16(afi), 1, how]),
      ),
    );
  return {
    myAs: asn > 0xffff ? 23456 : asn,
    holdSeconds,
    identifier: address4(identifier),
    parameters: capabilitiesParameter(...capabilities),
    capabilities,
  };
}

/** An OPEN and what it is answered with. */
export interface OpenCase {
  readonly name: string;
  readonly body: readonly number[];
  /** The NOTIFICATION, as `2/1`; `accept` where the session comes up. */
  readonly answer: string;
  /** Its data, where the RFC says what it is. */
  readonly data?: readonly number[];
}

/** One OPEN, broken in a known way or spelled in an unusual one. @param notOurs an AS that is not configured */
export function generateOpen(random: Random, greeter: Greeter, notOurs: number): OpenCase {
  const good = openOf(greeter);
  const { capabilities } = good;
  const own = capabilitiesParameter(...capabilities);
  const cases: (() => OpenCase)[] = [
    () => bad('version', { ...good, version: random.pick([0, 1, 2, 3, 5, 255]) }, '2/1', [0, 4]),
    () => bad('AS 0', { ...good, myAs: 0 }, '2/2'),
    () => {
      const parameters = capabilitiesParameter(capability(1, [0, 1, 0, 1]), capability(65, u32(0)));
      return bad('four-octet AS 0', { ...good, parameters }, '2/2');
    },
    () => {
      const parameters = capabilitiesParameter(capability(1, [0, 1, 0, 1]), capability(65, u32(notOurs)));
      return bad('another AS', { ...good, myAs: 23456, parameters }, '2/2');
    },
    () => bad('identifier 0', { ...good, identifier: [0, 0, 0, 0] }, '2/3'),
    () => bad('hold time 1 or 2', { ...good, holdSeconds: random.pick([1, 2]) }, '2/6'),
    () => bad('another parameter', { ...good, parameters: [random.pick([1, 3, 9, 254]), 2, 0, 0, ...own] }, '2/4'),
    () =>
      bad(
        'parameters cut',
        { ...good, parameters: own.slice(0, random.between(1, own.length - 1)), parametersLength: own.length },
        '2/0',
      ),
    () =>
      bad(
        'parameter past the end',
        { ...good, parameters: [2, own.length + random.between(1, 40), ...own.slice(2)] },
        '2/0',
      ),
    () =>
      bad(
        'capability past the end',
        { ...good, parameters: capabilitiesParameter(capability(65, u32(greeter.asn), 4 + random.between(1, 99))) },
        '2/0',
      ),
    () =>
      bad(
        'capability of a wrong length',
        {
          ...good,
          parameters: capabilitiesParameter(capability(random.pick([65, 1]), random.octets(random.pick([0, 1, 3, 5])))),
        },
        '2/0',
      ),
    () =>
      bad(
        'no common family',
        {
          ...good,
          parameters: capabilitiesParameter(
            capability(1, [0, 25, 0, 70]),
            ...capabilities.filter(([code]) => code !== 1),
          ),
        },
        '2/7',
      ),
    () =>
      fine('unknown capabilities', {
        ...good,
        parameters: [
          ...own,
          ...capabilitiesParameter(capability(random.pick([77, 130, 239]), random.octets(random.below(20)))),
        ],
      }),
    () =>
      fine('a parameter for each capability', {
        ...good,
        parameters: capabilities.flatMap((one) => capabilitiesParameter(one)),
      }),
    () => fine('capabilities twice', { ...good, parameters: [...own, ...own] }),
    () => {
      const octets = capabilities.flat();
      const parameters = [255, ...u16(octets.length + 3), 2, ...u16(octets.length), ...octets];
      return fine('extended parameters (RFC 9072)', { ...good, parameters, parametersLength: 255 });
    },
  ];
  return random.pick(cases)();
}

function bad(name: string, open: RawOpen, answer: string, data?: readonly number[]): OpenCase {
  return { name, body: writeOpen(open), answer, ...(data && { data }) };
}

function fine(name: string, open: RawOpen): OpenCase {
  return { name, body: writeOpen(open), answer: 'accept' };
}
