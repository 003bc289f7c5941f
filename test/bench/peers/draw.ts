/** `npm run bench:charts [FILE...]`: draws the charts of docs/performance again, from the results stored there or in the files named. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../../deploy/lab/podroute.ts';
import { drawCharts } from './charts.ts';
import { readResults } from './results.ts';

const directory = join(projectRoot, 'docs/performance');
const named = process.argv.slice(2);
const stored = readdirSync(directory).filter((name) => /^peers.*\.json$/.test(name));
const files = named.length > 0 ? named : stored.map((name) => join(directory, name));
const charts = drawCharts(files.flatMap(readResults), directory);
process.stdout.write(charts.length === 0 ? 'nothing to draw\n' : `${charts.join('\n')}\n`);
