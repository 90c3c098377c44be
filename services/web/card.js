// Beside the drawing: the facts of what is pointed at, else what the shapes and lines mean.
import { distinct } from './chords.js';
import { count, cut, number, share, short, shown } from './format.js';
import { isGone } from './live.js';
import { STATES, Sign, state, word } from './shapes.js';
import { html } from './vendor/preact-htm.js';

const names = (peers) => peers.map((peer) => cut(peer.name, 24)).join(', ') || 'none';
const Line = ({ kind }) => html`<svg class="sign wide" viewBox="0 0 26 10" width="26" height="10" aria-hidden="true">
  <path class="chord" data-kind=${kind} d="M1 5H25" /></svg>`;

function Legend({ names: listed, looked }) {
  return html`<div class="legend">
    <p>Point at a peer, or reach it by Tab and the arrow keys, to see whom it knows. Identifier 0 is at the top; they grow clockwise.</p>
    <ul>${STATES.map((of) => html`<li key=${of}><${Sign} of=${of} />${of}</li>`)}
      ${looked ? html`<li><svg class="sign key-sign" viewBox="-8 -8 16 16" width="14" height="14" aria-hidden="true"><rect x="-5" y="-5" width="10" height="10" transform="rotate(45)" /></svg>the key looked up</li>` : listed && (listed.next ? html`<li>keys are not drawn: there are more than 200 names</li>`
        : listed.files.length > 0 && html`<li><svg class="sign" viewBox="-8 -8 16 16" width="14" height="14" aria-hidden="true"><g class="key"><circle class="dot" r="3.4" /></g></svg>key of a file name</li>`)}
    </ul></div>`;
}

export function Card({ peer, view, file: key, owner, names: listed, peers, looked }) {
  if (key && !peer) {
    const holders = distinct(key.sources, null);
    return html`<div class="card"><h2>${shown(key.name)}</h2><dl>
      <div><dt>key</dt><dd><code>${key.key}</code></dd></div>
      <div><dt>responsible</dt><dd>${shown(owner?.name)}</dd></div>
      <div><dt>shared by</dt><dd>${cut(holders.map((one) => one.peer).join(', '), 80)}</dd></div></dl></div>`;
  }
  if (!peer) return html`<div class="card"><${Legend} names=${listed} looked=${looked} /></div>`;
  const { node, error } = view;
  const before = peers.at(peers.findIndex((one) => one.id === peer.id) - 1);
  return html`<div class="card"><h2><${Sign} of=${state(peer)} />${shown(peer.name)} <span class="state" data-state=${state(peer)}>${word(peer)}</span></h2>
    ${isGone(peer) ? html`<p>${peer.left ? 'It has left the ring.' : 'It counts as dead; its files went with it.'} Its arc is now its successor’s.</p>` : html`<dl>
      <div><dt>responsible for</dt><dd>${share(peer.share)}: (${before ? short(before.id) : ''}, ${short(peer.id)}]</dd></div>
      <div><dt>shares, keeps</dt><dd>${count(peer.shared_files, 'file')}, ${number(peer.entries?.owned)} entries and ${number(peer.entries?.replicas)} copies</dd></div>
      ${node && html`
        <div><dt><${Line} kind="predecessor" />predecessor</dt><dd>${names(distinct([node.predecessor], null))}</dd></div>
        <div><dt><${Line} kind="successor" />successors</dt><dd>${names(distinct(node.successors, peer.id))}</dd></div>
        <div><dt><${Line} kind="finger" />fingers</dt><dd>${names(distinct(node.fingers.map((finger) => finger.peer), peer.id))}</dd></div>`}
      ${error && html`<div><dt>neighbours</dt><dd>${shown(error)}</dd></div>`}
    </dl>`}</div>`;
}
