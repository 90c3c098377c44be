// Where things are on the ring: identifier 0 at the top, clockwise, as in the papers.

/** Part of the ring before `id`, 0 to 1. */
export const part = (id) => parseInt(id.slice(0, 12), 16) / 16 ** 12;

/** In radians, as SVG counts them: from the right, clockwise. */
export const angle = (id) => part(id) * 2 * Math.PI - Math.PI / 2;

export const polar = (theta, radius) => [Math.cos(theta) * radius, Math.sin(theta) * radius];

export const degrees = (theta) => (theta * 180) / Math.PI;

const WIDTH = 7.2; // Of a letter of a label, on average; too much rather than too little.
const HEIGHT = 17;

const apart = (a, b) => a.right < b.left || b.right < a.left || a.bottom < b.top || b.bottom < a.top;

/** Outside labels: between the edges of the drawing; inside ones: in the circle. */
const within = ({ left, right, top, bottom }, side, bound) => (side > 0
  ? left >= -bound && right <= bound
  : [left, right].every((x) => [top, bottom].every((y) => Math.hypot(x, y) < bound)));

/** The box of a text of `length` letters at `[x, y]`. */
function box(x, y, anchor, length) {
  const width = length * WIDTH + 4;
  const left = anchor === 'start' ? x : anchor === 'end' ? x - width : x - width / 2;
  return { left, right: left + width, top: y - HEIGHT / 2, bottom: y + HEIGHT / 2 };
}

/**
 * Places for as many labels as fit without touching each other: `{ theta, length, out, more }` in the order of their importance,
 * tried at each of `radii` and, turned by each of `turns`, beside it (or by `more` of them). `side` 1: outside of the circle, -1: inside. Only
 * within `bound`, and clear of `taken`.
 */
export function place(labels, { radii, turns, side, bound, taken = [] }) {
  const full = [...taken];
  return labels.map(({ theta, length, out = 0, more }) => {
    for (const radius of more?.radii ?? radii) {
      for (const turn of more?.turns ?? turns) {
        const [x, y] = polar(theta + turn, radius + out);
        const across = Math.cos(theta + turn);
        const anchor = Math.abs(across) < 0.18 && side > 0 ? 'middle' : (across > 0) === (side > 0) ? 'start' : 'end';
        const own = box(x, y, anchor, length);
        if (within(own, side, bound) && full.every((other) => apart(own, other))) {
          full.push(own);
          return { x, y, anchor, far: radius !== radii[0] || turn !== 0 };
        }
      }
    }
    return null;
  });
}

/** A curve between two points of the circle, bent towards its middle by `bend`, 0 to 1, near ones less deep. */
export function chord(from, to, radius, bend) {
  const [x1, y1] = polar(from, radius);
  const [x2, y2] = polar(to, radius);
  const deep = (Math.hypot(x2 - x1, y2 - y1) * 0.8 + 14) / radius;
  const pull = 1 - Math.min(bend, deep * (0.5 + bend / 2));
  return `M${x1.toFixed(1)} ${y1.toFixed(1)}Q${(((x1 + x2) / 2) * pull).toFixed(1)} ${(((y1 + y2) / 2) * pull).toFixed(1)} ${x2.toFixed(1)} ${y2.toFixed(1)}`;
}

/**
 * How far out of the circle each of `peers`, in ring order, is drawn, in steps: 0 for most, 1 and 2 for those that would
 * cover the one before them, which is nearer than `apart`, a part of the ring.
 */
export function lanes(peers, apart) {
  let [before, lane] = [-1, 0];
  return peers.map((peer) => {
    const at = part(peer.id);
    lane = at - before < apart && before >= 0 ? (lane + 1) % 3 : 0;
    before = at;
    return lane;
  });
}
