// What is known of the network, kept fresh: one stream of events, and the ring asked again when they say so. A walk
// round the ring costs every peer a call, so the longer it took, the longer the next one waits.
import { Silence, api } from './api.js';
import { store } from './store.js';

/** How long a peer that has gone is still drawn. */
const GONE = 15_000;
/** How long one that was told as new is drawn although the ring does not have it. */
const JOINING = 30_000;
const EVENTS = 200;
/** Names that are drawn as dots. */
const NAMES = 200;
const [SOON, TROUBLED, PUBLISHED, ROUTINE] = [300, 2500, 4000, 20_000];
const PULSE = 5000;
const KINDS = ['peer-joined', 'peer-left', 'peer-suspected', 'peer-failed', 'peer-back', 'file-appeared',
  'file-changed', 'file-vanished', 'files-changed'];

export const live = store({
  connection: 'connecting',
  problem: null, // Why the ring can't be told although the gateway answers.
  at: null, // When all that is shown was last known to be true.
  ring: null,
  node: null,
  names: null, // { files, next, complete }: the first names of the network, in ring order.
  changed: new Map(), // What events have said of a peer since the ring was asked: id → state.
  gone: new Map(), // Peers that have failed or left a moment ago: id → { peer, state, until }.
  events: [],
});

let source = null;
let last = ''; // The id of the last event.
let listening = null;
let retry = 500;
let took = 0;
let asking = false;
let again = false;
let due = null;
let filesDue = null;
let filesAt = 0;
let filesTook = 0;
let number = 0;

/** Begins; the page does so once. */
export function begin() {
  listen();
  refresh();
  setInterval(pulse, PULSE);
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return;
    pulse();
    refresh();
    refreshFiles();
  });
  addEventListener('pagehide', () => source?.close());
  addEventListener('pageshow', (event) => event.persisted && listen());
}

function listen() {
  clearTimeout(listening);
  source?.close();
  source = new EventSource(`api/v1/events${last ? `?after=${encodeURIComponent(last)}` : ''}`);
  const on = (kind, act) => source.addEventListener(kind, (event) => {
    if (event.lastEventId) last = event.lastEventId;
    let data = {};
    try {
      data = JSON.parse(event.data);
    } catch {
      return; // Of an event that is no JSON nothing can be shown.
    }
    act(data);
  });
  on('ready', () => {
    retry = 500;
    connected();
  });
  on('reset', () => {
    retry = 500;
    live.set({ changed: new Map() });
    connected();
  });
  for (const kind of KINDS) on(kind, (data) => happened(kind, data));
  for (const kind of ['bye', 'dropped']) on(kind, reconnect);
  source.onerror = reconnect;
}

/** A browser gives a stream up for good after some errors, so the waits are made here. */
function reconnect() {
  source.close();
  clearTimeout(listening);
  listening = setTimeout(listen, retry);
  retry = Math.min(retry * 2, 8000);
  pulse();
}

function connected() {
  live.set({ connection: 'live' });
  refresh();
  refreshFiles();
}

/** Whether the peer still answers, which a stream that has fallen silent does not tell. */
async function pulse() {
  if (document.hidden) return;
  try {
    await api.alive();
    const lost = live.get().connection !== 'live';
    const { ring, problem, at } = live.get();
    live.set({ connection: 'live', at: ring && !problem ? Date.now() : at });
    if (lost) {
      refresh();
      refreshFiles();
      if (source.readyState !== EventSource.OPEN) listen();
    }
  } catch (error) {
    if (error instanceof Silence) lose();
  }
}

function lose() {
  if (live.get().connection !== 'lost') live.set({ connection: 'lost' });
}

function happened(kind, data) {
  const { changed, gone, events, ring } = live.get();
  number += 1;
  const event = { number, kind, data, at: data.at ?? new Date().toISOString() };
  const state = { events: [event, ...events].slice(0, EVENTS), at: Date.now() };
  if (kind.startsWith('peer-')) {
    const { peer } = data;
    const known = ring?.peers.find((one) => one.id === peer.id);
    const nextChanged = new Map(changed);
    const nextGone = new Map(gone);
    if (kind === 'peer-failed' || kind === 'peer-left') {
      const as = kind === 'peer-failed' ? 'failed' : 'leaving';
      nextGone.set(peer.id, { ...known, ...peer, state: as, left: kind === 'peer-left', until: Date.now() + GONE });
      nextChanged.delete(peer.id);
      setTimeout(forget, GONE + 50);
    } else {
      nextGone.delete(peer.id);
      nextChanged.set(peer.id, { ...peer, since: Date.now(),
        state: kind === 'peer-suspected' ? 'suspected' : known ? 'member' : 'joining' });
    }
    Object.assign(state, { changed: nextChanged, gone: nextGone });
    schedule(SOON);
    scheduleFiles();
  } else {
    scheduleFiles();
    // It may be told of before the index has it.
    filesAt = 0;
    schedule(PUBLISHED);
  }
  live.set(state);
}

/** Drops those that have been gone for long enough. */
function forget() {
  const gone = new Map([...live.get().gone].filter(([, peer]) => peer.until > Date.now()));
  live.set({ gone });
}

/** The ring again in `ms`, unless it is asked sooner; never more often than a twentieth of the time. */
function schedule(ms) {
  const at = Date.now() + Math.max(ms, took * 20);
  if (due && due.at <= at) return;
  clearTimeout(due?.timer);
  due = { at, timer: setTimeout(refresh, at - Date.now()) };
}

async function refresh() {
  if (asking) {
    again = true;
    return;
  }
  clearTimeout(due?.timer);
  due = null;
  if (document.hidden && live.get().ring) {
    schedule(ROUTINE);
    return;
  }
  asking = true;
  const started = performance.now();
  let troubled = true;
  try {
    const [ring, node] = await Promise.all([api.ring(), api.node()]);
    took = performance.now() - started;
    const present = new Set(ring.peers.map((peer) => peer.id));
    const changed = new Map([...live.get().changed].filter(([id, peer]) =>
      peer.state === 'joining' && !present.has(id) && Date.now() - peer.since < JOINING));
    const gone = new Map([...live.get().gone].filter(([id, peer]) =>
      peer.until > Date.now() && !ring.peers.some((one) => one.id === id && one.incarnation > (peer.incarnation ?? Infinity))));
    live.set({ ring, node, changed, gone, problem: null, at: Date.now(), connection: 'live' });
    troubled = !ring.agreed || ring.peers.some((peer) => peer.state !== 'member') || changed.size > 0 || ring.replicas?.short > 0;
  } catch (error) {
    if (error instanceof Silence) lose();
    else live.set({ problem: error.message, connection: 'live' });
  }
  asking = false;
  schedule(again ? SOON : troubled ? TROUBLED : ROUTINE);
  again = false;
  if (Date.now() - filesAt > ROUTINE) scheduleFiles();
}

function scheduleFiles() {
  filesDue ??= setTimeout(refreshFiles, Math.max(700, filesTook * 20));
}

async function refreshFiles() {
  clearTimeout(filesDue);
  filesDue = null;
  if (document.hidden && live.get().names) return;
  const started = performance.now();
  try {
    live.set({ names: await api.files(null, NAMES) });
  } catch {
    // The names shown stay; the next event or connection asks again.
  }
  filesTook = performance.now() - started;
  filesAt = Date.now();
}

/** The peers as they are drawn: the ring, what events have said since, and those that have just gone. */
export function drawn({ ring, changed, gone }) {
  const peers = new Map((ring?.peers ?? []).map((peer) => [peer.id, peer]));
  for (const [id, peer] of changed) {
    peers.set(id, { share: 0, entries: null, shared_files: null, gateway: null, version: null, ...peers.get(id), ...peer });
  }
  for (const [id, peer] of gone) peers.set(id, peer);
  return [...peers.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
}

export const isGone = (peer) => peer.until != null;
