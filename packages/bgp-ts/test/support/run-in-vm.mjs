// Links the built package in a context that has nothing but ECMAScript and the Encoding Standard, as a browser's worker would, and uses it.
// The working directory is that of index.js.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createContext, SourceTextModule } from 'node:vm';

const output = { text: '' };
const context = createContext({ TextEncoder, TextDecoder, output });
const modules = new Map();

function load(path) {
  let module = modules.get(path);
  if (module === undefined) {
    module = new SourceTextModule(readFileSync(path, 'utf8'), { identifier: path, context });
    modules.set(path, module);
  }
  return module;
}

const program = `
import { cease, CeaseSubcode, decodeMessage, defaultContext, describeNotification, encodeNotification, encodeUpdate,
  formatPrefix, HEADER_OCTETS, ip, prefix, splitFrames } from './index.js';
const attributes = { origin: 0, asPath: [{ type: 'sequence', asns: [64512] }], nextHop: ip('192.0.2.1'), communities: [1] };
const octets = encodeUpdate({ attributes, nlri: [{ prefix: prefix('198.51.100.0/24') }] }, defaultContext);
const { value } = splitFrames(octets, 4096);
const message = decodeMessage(octets[18], value.messages[0].subarray(HEADER_OCTETS), defaultContext);
const told = encodeNotification(cease(CeaseSubcode.AdministrativeShutdown, 'maintenance'));
const heard = decodeMessage(told[18], told.subarray(HEADER_OCTETS), defaultContext);
output.text = 'an UPDATE of ' + octets.length + ' octets: ' + formatPrefix(message.value.update.nlri[0].prefix) + '; '
  + describeNotification(heard.value.notification);
`;
const main = new SourceTextModule(program, { identifier: join(process.cwd(), 'main.js'), context });
await main.link((specifier, from) => load(join(dirname(from.identifier), specifier)));
await main.evaluate();
process.stdout.write(output.text);
