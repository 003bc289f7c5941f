/** All that the library asks of its host beside ECMAScript itself: the Encoding Standard, which browsers, workers, Node, Deno and Bun have. */
declare class TextEncoder {
  encode(text: string): Uint8Array;
  encodeInto(text: string, into: Uint8Array): { readonly read: number; readonly written: number };
}

declare class TextDecoder {
  constructor(label?: string, options?: { readonly fatal?: boolean; readonly ignoreBOM?: boolean });
  decode(octets: Uint8Array): string;
}
