import { z } from 'zod';
import { bitRate, boolean, field } from '../values.ts';

/** The bandwidth of a link in bits per second, `10G`, or with whether other ASes are told. */
export const linkBandwidth = z.preprocess(
  (value) => (typeof value === 'object' ? value : { rate: value }),
  z.strictObject({ rate: field(bitRate), transitive: field(boolean).optional() }),
);
