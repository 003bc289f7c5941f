/** One line of a chart. */
export interface Series {
  readonly name: string;
  /** Position among all series that any chart shows: decides colour and marker. */
  readonly style: number;
  /** Points in ascending order of x. Both coordinates above 0. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** A line chart with logarithmic axes. */
export interface Chart {
  readonly title: string;
  /** What is on the axes, with the unit. */
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  /** Lines below the chart: what was measured, when and on what. */
  readonly notes: readonly string[];
}

const WIDTH = 760;
const HEIGHT = 440;
const LEFT = 82;
const RIGHT = 150;
const TOP = 44;
const BOTTOM = 78;

/** Distinguishable with any colour vision, in print and on light and dark pages (the chart brings its own white ground). */
const colours = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#000000'];
const markers = ['circle', 'square', 'triangle', 'diamond', 'cross', 'circle'] as const;

/** Draws the chart as an SVG document. @throws RangeError when there is no point to draw */
export function drawChart(chart: Chart): string {
  const points = chart.series.flatMap((s) => s.points);
  if (points.length === 0) throw new RangeError(`chart '${chart.title}': no points`);
  const x = axis(
    points.map((p) => p.x),
    LEFT,
    WIDTH - RIGHT,
  );
  const y = axis(
    points.map((p) => p.y),
    HEIGHT - BOTTOM,
    TOP,
  );
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<title>${escaped(chart.title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    text(LEFT, 24, chart.title, 'font-size="15" font-weight="bold"'),
    ...grid(x, y),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 38, chart.x, 'text-anchor="middle"'),
    text(0, 0, chart.y, `text-anchor="middle" transform="translate(18 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)"`),
    ...chart.notes.map((note, i) => text(14, HEIGHT - 22 + i * 14, note, 'fill="#666" font-size="10"')),
  ];
  for (const series of chart.series) parts.push(...line(series, x, y));
  parts.push(...legend(chart.series), '</svg>', '');
  return parts.join('\n');
}

interface Axis {
  readonly ticks: readonly number[];
  /** Where a value lies, in the chart's units. */
  at(value: number): number;
}

/** A logarithmic axis from `start` to `end`, with ticks at 1, 2 and 5 times powers of ten: at least those around the values. */
function axis(values: readonly number[], start: number, end: number): Axis {
  const low = Math.min(...values);
  const high = Math.max(...values);
  const all: number[] = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)) + 1; power++) {
    for (const step of [1, 2, 5]) all.push(step * 10 ** power);
  }
  const first = all.findLast((tick) => tick <= low * 1.001) ?? low;
  const last = all.find((tick) => tick >= high * 0.999 && tick > first) ?? high;
  let ticks = all.filter((tick) => tick >= first && tick <= last);
  if (ticks.length > 9)
    ticks = ticks.filter((tick) => Math.abs(Math.log10(tick) - Math.round(Math.log10(tick))) < 1e-9);
  const scale = (end - start) / (Math.log(last) - Math.log(first));
  return { ticks, at: (value) => start + (Math.log(value) - Math.log(first)) * scale };
}

function grid(x: Axis, y: Axis): string[] {
  const parts: string[] = [];
  for (const tick of x.ticks) {
    const at = round(x.at(tick));
    parts.push(`<path d="M${at} ${TOP}V${HEIGHT - BOTTOM}" stroke="#ddd"/>`);
    parts.push(text(at, HEIGHT - BOTTOM + 18, short(tick), 'text-anchor="middle"'));
  }
  for (const tick of y.ticks) {
    const at = round(y.at(tick));
    parts.push(`<path d="M${LEFT} ${at}H${WIDTH - RIGHT}" stroke="#ddd"/>`);
    parts.push(text(LEFT - 8, at + 4, short(tick), 'text-anchor="end"'));
  }
  parts.push(`<path d="M${LEFT} ${TOP}V${HEIGHT - BOTTOM}H${WIDTH - RIGHT}" fill="none" stroke="#333"/>`);
  return parts;
}

function line({ points, style }: Series, x: Axis, y: Axis): string[] {
  const colour = colourOf(style);
  const places = points.map((p) => ({ x: round(x.at(p.x)), y: round(y.at(p.y)) }));
  const path = places.map((p, i) => `${i === 0 ? 'M' : 'L'}${p.x} ${p.y}`).join('');
  return [
    `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...places.map((p) => marker(style, p.x, p.y)),
  ];
}

function legend(series: readonly Series[]): string[] {
  return series.flatMap(({ name, style }, i) => {
    const y = TOP + 14 + i * 22;
    const x = WIDTH - RIGHT + 16;
    return [
      `<path d="M${x} ${y}H${x + 24}" stroke="${colourOf(style)}" stroke-width="2"/>`,
      marker(style, x + 12, y),
      text(x + 32, y + 4, name),
    ];
  });
}

function marker(style: number, x: number, y: number): string {
  const fill = `fill="${colourOf(style)}"`;
  switch (markers[style % markers.length]) {
    case 'square':
      return `<rect x="${round(x - 4)}" y="${round(y - 4)}" width="8" height="8" ${fill}/>`;
    case 'triangle':
      return `<path d="M${x} ${round(y - 5)}l5 9h-10z" ${fill}/>`;
    case 'diamond':
      return `<path d="M${x} ${round(y - 6)}l5 6l-5 6l-5 -6z" ${fill}/>`;
    case 'cross':
      return `<path d="M${round(x - 4)} ${round(y - 4)}l8 8m0 -8l-8 8" stroke="${colourOf(style)}" stroke-width="2.5"/>`;
    default:
      return `<circle cx="${x}" cy="${y}" r="4.5" ${fill}/>`;
  }
}

function colourOf(style: number): string {
  return colours[style % colours.length] ?? '#000000';
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escaped(content)}</text>`;
}

/** 0.002, 50, 2 k, 1 M. */
function short(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(3))} M`;
  if (value >= 1e3) return `${Number((value / 1e3).toPrecision(3))} k`;
  return String(Number(value.toPrecision(3)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
