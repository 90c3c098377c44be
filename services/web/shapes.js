// The state of a peer as a shape, so that no colour is needed to tell it.
import { html } from './vendor/preact-htm.js';

export const STATES = ['member', 'joining', 'suspected', 'leaving', 'failed'];

/** The state in one of `STATES`; what a later version may say counts as a suspicion. */
export const state = (peer) => (STATES.includes(peer.state) ? peer.state : 'suspected');

export const word = (peer) => (peer.left ? 'left' : state(peer));

const around = (points, r) => points.map(([x, y]) => `${(x * r).toFixed(1)},${(y * r).toFixed(1)}`).join(' ');

export function Shape({ of, r }) {
  switch (of) {
    case 'suspected':
      return html`<polygon class="shape" points=${around([[0, -1.25], [1.15, 0.85], [-1.15, 0.85]], r)} />`;
    case 'leaving':
      return html`<polygon class="shape" points=${around([[-0.9, -0.9], [0.9, -0.9], [0.9, 0.9], [-0.9, 0.9]], r)} />`;
    case 'failed':
      return html`<path class="shape" d=${`M${-r} ${-r}L${r} ${r}M${-r} ${r}L${r} ${-r}`} />`;
    default:
      return html`<circle class="shape" r=${r} />`;
  }
}

/** The same as a small drawing of its own, for tables and legends. */
export const Sign = ({ of }) => html`<svg class="sign" data-state=${of} viewBox="-8 -8 16 16" width="14" height="14"
  aria-hidden="true"><${Shape} of=${of} r=${5.5} /></svg>`;
