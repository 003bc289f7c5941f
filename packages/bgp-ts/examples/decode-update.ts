import {
  decodeMessage,
  defaultContext,
  describeNotification,
  encodeUpdate,
  formatAttributes,
  formatPrefix,
  frameError,
  HEADER_OCTETS,
  ip,
  nextFrame,
  Origin,
  prefix,
} from 'bgp-ts';

// An eBGP session with 4-octet AS numbers and without ADD-PATH.
const context = defaultContext;

const stream = encodeUpdate(
  {
    attributes: {
      origin: Origin.Igp,
      asPath: [{ type: 'sequence', asns: [64512, 65536] }],
      nextHop: ip('192.0.2.1'),
      communities: [0xffffff01],
    },
    nlri: [{ prefix: prefix('198.51.100.0/24') }, { prefix: prefix('203.0.113.0/24') }],
  },
  context,
);

const length = nextFrame(stream, 0, stream.length, 4096);
if (length < 0) {
  console.log(describeNotification(frameError(stream, 0, stream.length, 4096)));
} else if (length > 0) {
  const type = stream[HEADER_OCTETS - 1] ?? 0;
  const message = decodeMessage(type, stream.subarray(HEADER_OCTETS, length), context);
  if (!message.ok) {
    console.log(`close the session with ${describeNotification(message.error)}`);
  } else if (message.value.type === 'update') {
    const { attributes, nlri, problems } = message.value.update;
    for (const { name, text } of formatAttributes(attributes)) console.log(`${name}: ${text}`);
    for (const { prefix: route } of nlri) console.log(`reachable: ${formatPrefix(route)}`);
    for (const { action, message: what } of problems) console.log(`${action}: ${what}`);
  }
}
