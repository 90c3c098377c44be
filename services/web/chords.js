// A peer's neighbours and fingers, as curves across the ring.
import { api } from './api.js';
import { angle, chord } from './geometry.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

/** How long a peer's own view is taken as it is. */
const FRESH = 4000;
const LINGER = 90;
const MOST = 64;
const known = new Map(); // id → { at, node }

/** The state of the peer `id`, as it says itself, anew with each `ring`: `{ node }`, `{ error }`, or nothing yet. */
export function useNode(id, asked, ring) {
  const [found, setFound] = useState({});
  useEffect(() => {
    if (!id) return setFound({});
    const kept = known.get(id);
    setFound(kept ? { id, node: kept.node } : { id });
    if (kept && Date.now() - kept.at < FRESH) return undefined;
    const abort = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const node = await api.node(id === asked ? null : id, { signal: abort.signal });
        known.delete(id);
        known.set(id, { at: Date.now(), node });
        if (known.size > MOST) known.delete(known.keys().next().value);
        setFound({ id, node });
      } catch (error) {
        if (!abort.signal.aborted) setFound({ id, error: error.message });
      }
    }, LINGER);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [id, asked, ring]);
  return found.id === id ? found : {};
}

/** Each peer once, without the peer itself. */
export function distinct(peers, without) {
  const found = new Map();
  for (const peer of peers) if (peer && peer.id !== without) found.set(peer.id, peer);
  return [...found.values()];
}

const BENDS = { predecessor: 0.3, successor: 0.55, finger: 0.85 };

export function Chords({ node, radius }) {
  const lines = [
    ...distinct(node.fingers.map((finger) => finger.peer), node.id).map((peer) => ['finger', peer]),
    ...distinct(node.successors, node.id).map((peer) => ['successor', peer]),
    ...distinct([node.predecessor], node.id).map((peer) => ['predecessor', peer]),
  ];
  return html`<g class="chords">${lines.map(([kind, peer]) => html`
    <path key=${kind + peer.id} class="chord" data-testid="chord" data-kind=${kind} data-peer=${peer.name}
      d=${chord(angle(node.id), angle(peer.id), radius, BENDS[kind])} />`)}</g>`;
}
