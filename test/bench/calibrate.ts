const OCTETS = 1 << 16;
const SLOTS = 1 << 14;
const PASSES = 24;
/** Octets hashed for each step. */
const STEP_OCTETS = 16;

const bytes = Uint8Array.from({ length: OCTETS }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 24);
const table = new Int32Array(SLOTS);

/**
 * CPU nanoseconds of one step of a loop that always does the same: hashes 16 octets and counts in a table at the place they say. It is what
 * the hot path is made of, and fits the processor's own cache, so that it says how fast the processor is just now and not how much others
 * want of the memory they share with it.
 */
export function calibrationStepNs(): number {
  const start = process.cpuUsage();
  let hash = 0;
  for (let pass = 0; pass < PASSES; pass++) hash = hashAll(hash);
  const { user, system } = process.cpuUsage(start);
  // The sum is looked at, or nothing of it would have to be computed.
  if (hash === 0.5) throw new Error('never');
  return ((user + system) * 1000) / ((PASSES * OCTETS) / STEP_OCTETS);
}

function hashAll(seed: number): number {
  let hash = seed;
  for (let at = 0; at < OCTETS; at += STEP_OCTETS) {
    for (let i = 0; i < STEP_OCTETS; i++) hash = Math.imul(hash ^ bytes[at + i]!, 0x0100_0193);
    const slot = hash >>> 18;
    table[slot] = table[slot]! + 1;
  }
  return hash;
}
