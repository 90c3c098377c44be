// Keys of file names, as dots on the inside of the ring; few of them with their names and owners.
import { cut } from './format.js';
import { angle, place, polar } from './geometry.js';
import { html } from './vendor/preact-htm.js';

/** So many keys are written out. */
const LABELLED = 24;
const LENGTH = 18;

/** Who of `peers` (in ring order) is responsible for `key`: the first one at or behind it. */
export const owner = (peers, key) => peers.find((peer) => peer.id >= key) ?? peers[0];

export function Keys({ names, peers, quiet, point, radius }) {
  if (!names || names.next || peers.length === 0) return null;
  const files = names.files;
  const at = radius - 9;
  const texts = files.map((file) => `${cut(file.name, LENGTH)} · ${cut(owner(peers, file.key).name, 10)}`);
  const places = files.length > LABELLED || radius < 140 ? []
    : place(files.map((file, i) => ({ theta: angle(file.key), length: texts[i].length * 0.92 })), {
      radii: [at - 9, at - 26, at - 43],
      turns: [0, 0.07, -0.07],
      side: -1,
      bound: radius - 3,
      taken: [{ left: -60, right: 60, top: -50, bottom: 60 }],
    });
  return html`<g class="keys" data-quiet=${quiet} aria-hidden="true">${files.map((file, i) => {
    const [x, y] = polar(angle(file.key), at);
    const text = places[i];
    return html`<g key=${file.key} class="key" onPointerEnter=${() => point(file)} onPointerLeave=${() => point(null)}>
      <circle class="target" cx=${x} cy=${y} r="9" /><circle class="dot" cx=${x} cy=${y} r=${files.length > 60 ? 2.4 : 3.4} />
      ${text?.far && html`<line class="leader" x1=${x} y1=${y} x2=${text.x} y2=${text.y} />`}
      ${text && html`<text x=${text.x} y=${text.y} dy="0.35em" text-anchor=${text.anchor}>${texts[i]}</text>`}
    </g>`;
  })}</g>`;
}
