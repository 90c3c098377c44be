// A lookup on the ring: the key, the hops so far as arrows, and in the middle the same in words.
import { count, cut, took } from './format.js';
import { angle, polar } from './geometry.js';
import { html } from './vendor/preact-htm.js';

const SPOTS = [0.5, 0.4, 0.6, 0.3, 0.7];
const APART = 23;
const LINE = 19;
/** Hops that are written out; of longer ways the last ones. */
const WRITTEN = 6;

const text = (point) => point.map((value) => value.toFixed(1)).join(' ');

/** A curve between two dots, the more bent the nearer they are, with a free place for its number. */
function arrow(from, to, radius, taken) {
  const [a, c] = [polar(angle(from), radius), polar(angle(to), radius)];
  const [x, y] = [(a[0] + c[0]) / 2, (a[1] + c[1]) / 2];
  const pull = Math.max(0.1, Math.min(0.6, 80 / (Math.hypot(c[0] - a[0], c[1] - a[1]) + 1)));
  const b = [x * (1 - pull), y * (1 - pull)];
  const on = (t) => [0, 1].map((i) => (1 - t) ** 2 * a[i] + 2 * t * (1 - t) * b[i] + t * t * c[i]);
  const clear = ([u, v]) => taken.every((other) => Math.hypot(other[0] - u, other[1] - v) > APART);
  const middle = on(0.5);
  // Where all of the curve is taken, towards the middle of the ring.
  const inwards = [0.88, 0.76, 0.64, 0.52].map((by) => middle.map((value) => value * by));
  const number = [...SPOTS.map(on), ...inwards].find(clear) ?? middle;
  taken.push(number);
  return { line: `M${text(a)}Q${text(b)} ${text(c)}`, number };
}

/** What stands in the middle of the ring: `[class, line]`. */
function words(trace, radius) {
  const { answer, step, arrived } = trace;
  const { path, elapsed_us: elapsed } = answer.route;
  const length = Math.floor(radius / 5);
  const hops = radius < 130 ? [] : path.slice(1, step + 1).map((hop, i) => `${i + 1}  ${cut(hop.peer, 16)}  ${took(hop.elapsed_us)}`).slice(-WRITTEN);
  const lines = [['key', cut(answer.name ?? `${answer.key.slice(0, 12)}…`, length)], ...hops.map((hop) => ['hop', hop])];
  if (arrived) {
    lines.push(['owner', cut(`${answer.successor.name} is responsible`, length)]);
    lines.push(['sum', `${count(answer.route.hops, 'hop')}, ${took(elapsed)}`]);
  } else {
    lines.push(['sum', step === 0 ? `${cut(path[0].peer, 16)} is asked` : '…']);
  }
  return lines;
}

const height = (lines, i) => (i - (lines.length - 1) / 2) * LINE;

export function Route({ trace, radius, inner }) {
  const { answer, step, arrived } = trace;
  const theta = angle(answer.key);
  const [outX, outY] = polar(theta, radius + (radius - inner) + 4);
  const [inX, inY] = polar(theta, inner - 14);
  const { path } = answer.route;
  const lines = words(trace, inner);
  const taken = [[inX, inY], ...lines.flatMap((line, i) => [-60, -30, 0, 30, 60].map((x) => [x, height(lines, i)]))];
  const arrows = path.slice(1, step + 1).map((hop, i) => arrow(path[i].id, hop.id, inner - 3, taken));
  return html`<g class="route" aria-hidden="true">
    <defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="6" markerHeight="6" orient="auto">
      <path d="M0 0L10 5L0 10z" /></marker></defs>
    ${arrows.map(({ line }, i) => html`<path key=${i} class="hop-line" data-testid="hop-line" data-peer=${path[i + 1].peer}
      data-now=${i + 1 === step && !arrived} pathLength="1" d=${line} marker-end="url(#head)" />`)}
    <g data-testid="key-mark" class="mark" data-key=${answer.key}>
      <line x1=${outX} y1=${outY} x2=${inX} y2=${inY} />
      <rect x="-6" y="-6" width="12" height="12" transform=${`translate(${inX} ${inY}) rotate(45)`} />
    </g>
    ${arrows.map(({ number }, i) => html`<g key=${i} class="hop-number" transform=${`translate(${text(number)})`}>
      <circle r="10" /><text dy="0.35em">${i + 1}</text></g>`)}
    <g class="words">${lines.map(([kind, line], i) => html`<text key=${i} class=${kind} y=${height(lines, i)} dy="0.35em">${line}</text>`)}</g>
  </g>`;
}
