// What happens in the network, newest first.
import { bytes, clock, count, cut, shown } from './format.js';
import { lookupPath, peerPath } from './router.js';
import { html, useEffect, useRef, useState } from './vendor/preact-htm.js';

const PEERS = {
  'peer-joined': 'joined the ring',
  'peer-left': 'left the ring',
  'peer-suspected': 'does not answer and is suspected',
  'peer-failed': 'failed: it counts as dead',
  'peer-back': 'is back',
};
const FILES = { 'file-appeared': 'appeared at', 'file-changed': 'changed at', 'file-vanished': 'vanished from' };

const sentence = ({ kind, data }) => {
  if (PEERS[kind]) return `${shown(data.peer.name)} ${PEERS[kind]}; ${count(data.peers, 'peer')} now`;
  if (FILES[kind]) return `${shown(data.name)} ${FILES[kind]} ${shown(data.peer)}`;
  return `${shown(data.peer)}: ${data.appeared} files appeared, ${data.changed} changed, ${data.vanished} vanished${data.complete ? '' : ', or more'}`;
};

function Words({ event }) {
  const { kind, data } = event;
  if (PEERS[kind]) return html`<span><a href=${peerPath(data.peer.id)}>${cut(data.peer.name, 40)}</a> ${PEERS[kind]}; ${count(data.peers, 'peer')} now</span>`;
  if (FILES[kind]) {
    return html`<span><a href=${lookupPath(data.name)}>${shown(data.name)}</a> ${FILES[kind]} <a href=${peerPath(data.peer_id)}>${cut(data.peer, 40)}</a>${data.size != null && `, ${bytes(data.size)}`}</span>`;
  }
  return html`<span>${sentence(event)}</span>`;
}

export function Events({ events }) {
  return html`<div class="stack"><h2>Events</h2>
    <p class="note">What has happened in the whole network since this page was opened, as this peer noticed it.</p>
    ${events.length === 0 && html`<p class="empty">Nothing yet. Start or stop a peer, or put a file into a shared directory.</p>`}
    <ol class="events" data-testid="events">${events.map((event) => html`
      <li key=${event.number} data-testid="event" data-kind=${event.kind}><time datetime=${event.at}>${clock(event.at)}</time><${Words} event=${event} /></li>`)}</ol></div>`;
}

/** The newest event for those who hear the page: at most one in a few seconds. */
export function Latest({ events }) {
  const [text, setText] = useState('');
  const timer = useRef(null);
  const newest = useRef(null);
  newest.current = events[0];
  useEffect(() => {
    if (!newest.current || timer.current) return;
    timer.current = setTimeout(() => {
      timer.current = null;
      setText(sentence(newest.current));
    }, 1500);
  }, [events[0]?.number]);
  return html`<p class="latest" aria-live="polite">${text || 'No events yet.'}</p>`;
}
