// The same facts as in the drawing, as a table, and what is wrong with the ring.
import { number, share, short, shown } from './format.js';
import { drawn, isGone } from './live.js';
import { peerPath } from './router.js';
import { Sign, state, word } from './shapes.js';
import { html, useState } from './vendor/preact-htm.js';

const text = (of) => (a, b) => of(a).localeCompare(of(b), 'en', { numeric: true });
const amount = (of) => (a, b) => (of(b) ?? -1) - (of(a) ?? -1);
const COLUMNS = [
  ['Name', text((peer) => peer.name)],
  ['State', text((peer) => word(peer))],
  ['Share', amount((peer) => peer.share)],
  ['Files', amount((peer) => peer.shared_files)],
  ['Entries', amount((peer) => peer.entries?.owned)],
  ['Copies', amount((peer) => peer.entries?.replicas)],
  ['Identifier', (a, b) => (a.id < b.id ? -1 : 1)],
  ['Address', text((peer) => peer.chord)],
];

function Problems({ ring }) {
  const broken = ring.invariants.filter((invariant) => !invariant.holds);
  if (ring.agreed) return html`<p class="good">All views of the ring agree${ring.invariants.length > 0 && `, and all ${ring.invariants.length} invariants hold`}.</p>`;
  return html`<section class="problems" aria-labelledby="problems-title"><h3 id="problems-title">What does not fit</h3><ul>
    ${ring.problems.map((problem) => html`<li key=${problem.peer + problem.what}><strong>${shown(problem.peer)}</strong>: ${shown(problem.what)}; ${shown(problem.remedy)}</li>`)}
    ${broken.map((invariant) => html`<li key=${invariant.name}><strong>${invariant.name}</strong> does not hold (${invariant.meaning})${invariant.peers.length > 0 && ` at ${invariant.peers.map(shown).join(', ')}`}${invariant.remedy && `; ${shown(invariant.remedy)}`}</li>`)}
  </ul></section>`;
}

export function Peers({ state: live }) {
  const [order, setOrder] = useState({ by: 6, down: false });
  if (!live.ring) return html`<div class="stack"><h2>Peers</h2><p class="empty">${live.problem ? shown(live.problem) : 'Asking the ring …'}</p></div>`;
  const compare = COLUMNS[order.by][1];
  const peers = drawn(live).sort((a, b) => (order.down ? compare(b, a) : compare(a, b)));
  const sort = (by) => setOrder(by === order.by ? { by, down: !order.down } : { by, down: false });
  const { replicas } = live.ring;
  return html`<div class="stack"><h2>Peers</h2>
    <${Problems} ring=${live.ring} />
    ${replicas?.remedy && html`<p class="warn">${shown(replicas.remedy)}</p>`}
    <div class="scroll" tabindex="0" role="group" aria-label="Table of peers">
    <table data-testid="peers"><caption class="aside">Peers in the ring, sorted by ${COLUMNS[order.by][0].toLowerCase()}</caption>
      <thead><tr>${COLUMNS.map(([title], by) => html`<th key=${title} scope="col" aria-sort=${by === order.by ? (order.down ? 'descending' : 'ascending') : null}>
        <button type="button" onClick=${() => sort(by)}>${title}<span aria-hidden="true">${by === order.by ? (order.down ? ' ↓' : ' ↑') : ''}</span></button></th>`)}</tr></thead>
      <tbody>${peers.map((peer) => html`<tr key=${peer.id} data-peer=${peer.name} data-state=${state(peer)}>
        <th scope="row"><a href=${peerPath(peer.id)}>${shown(peer.name)}</a>${peer.id === live.node?.id && html` <span class="note">asked</span>`}</th>
        <td><span class="state" data-state=${state(peer)}><${Sign} of=${state(peer)} />${word(peer)}</span></td>
        <td class="amount">${isGone(peer) ? '–' : share(peer.share)}</td>
        <td class="amount">${number(peer.shared_files)}</td>
        <td class="amount">${number(peer.entries?.owned)}</td>
        <td class="amount">${number(peer.entries?.replicas)}</td>
        <td><code title=${peer.id}>${short(peer.id)}</code></td>
        <td>${shown(peer.chord).replace('http://', '')}</td></tr>`)}</tbody>
    </table></div></div>`;
}
