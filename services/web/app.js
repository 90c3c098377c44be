// The page: its header, the ring, and beside it the view that the address names.
import { Events, Latest } from './events.js';
import { age, count, number, shown } from './format.js';
import { begin, drawn, isGone, live } from './live.js';
import { Lookup, trace } from './lookup.js';
import { PeerPage } from './peer.js';
import { Peers } from './peers.js';
import { Ring } from './ring.js';
import { useRoute } from './router.js';
import { Search } from './search.js';
import { useClock, useStore } from './store.js';
import { html, render, useEffect } from './vendor/preact-htm.js';

const VIEWS = [['search', 'Files', '#/'], ['lookup', 'Lookup', '#/lookup'], ['peers', 'Peers', '#/peers'], ['events', 'Events', '#/events']];

function Connection({ state }) {
  const { connection, at, problem } = state;
  const now = useClock(connection === 'lost' || problem !== null);
  const old = at ? `what is shown is ${age(now - at)} old` : 'nothing is known yet';
  const text = {
    live: problem ? `it answers, but: ${shown(problem)} ${old}` : 'live',
    connecting: 'connecting …',
    lost: `peer lost; ${old}; trying again`,
  }[connection];
  return html`<p class="connection" data-testid="connection" data-state=${connection} data-problem=${problem !== null}><span class="lamp" aria-hidden="true"></span>${text}</p>`;
}

function Facts({ state }) {
  const { ring, names, node } = state;
  if (!ring) return null;
  const peers = drawn(state);
  const living = peers.filter((peer) => !isGone(peer)).length;
  const failed = peers.filter((peer) => peer.state === 'failed').length;
  const shared = ring.peers.reduce((sum, peer) => sum + (peer.shared_files ?? 0), 0);
  const { replicas } = ring;
  const copies = replicas && (replicas.short === 0
    ? `every entry on ${count(replicas.wanted, 'peer')}`
    : `${number(replicas.short)} of ${count(replicas.entries, 'entry', 'entries')} short of ${replicas.wanted}`);
  return html`<dl class="facts">
    <div><dt>ring</dt><dd>${shown(node?.ring)}</dd></div>
    <div><dt>peers</dt><dd data-testid="peer-count">${number(living)}${failed > 0 && html` <span class="bad">(${failed} failed just now)</span>`}</dd></div>
    <div><dt>files</dt><dd>${number(shared)} shared${names && !names.next && `, ${count(names.files.length, 'name')}`}</dd></div>
    <div><dt>views</dt><dd>${ring.agreed ? html`<span class="good">all agree</span>`
      : html`<a class="warn" href="#/peers">${count(Math.max(1, ring.problems.length), 'problem')}</a>`}</dd></div>
    ${copies && html`<div><dt>copies</dt><dd class=${replicas.short ? 'warn' : 'good'}>${copies}</dd></div>`}
  </dl>`;
}

function toggleTheme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  root.dataset.theme = dark ? 'light' : 'dark';
  try {
    localStorage.setItem('theme', root.dataset.theme);
  } catch {
    // It holds for this page then.
  }
}

function Page({ name }) {
  const state = useStore(live);
  const route = useRoute();
  const looked = useStore(trace);
  const title = state.node?.name ?? name;
  useEffect(() => {
    document.title = `${shown(title)} · Chordial`;
  }, [title]);
  const peer = route.view === 'peer' ? route.rest[0] : null;
  const view = {
    lookup: html`<${Lookup} name=${route.query.get('name')} />`,
    peers: html`<${Peers} state=${state} />`,
    peer: html`<${PeerPage} id=${peer} state=${state} />`,
    events: html`<${Events} events=${state.events} />`,
  }[route.view] ?? html`<${Search} state=${state} />`;
  return html`
    <a class="skip" href="#view" onClick=${(event) => {
      event.preventDefault();
      document.getElementById('view').focus();
    }}>Skip to the view</a>
    <header class="top">
      <h1>${shown(title)}<span> · Chordial</span></h1>
      <${Connection} state=${state} />
      <${Facts} state=${state} />
      <button id="theme" type="button" onClick=${toggleTheme}>Light or dark</button>
    </header>
    <main data-lost=${state.connection === 'lost'}>
      <section class="drawing" aria-label="The ring, drawn"><${Ring} live=${state} trace=${route.view === 'lookup' && looked.answer ? looked : null} shownPeer=${peer} /></section>
      <div class="side">
        <nav aria-label="Views">${VIEWS.map(([of, text, href]) => html`
          <a key=${of} href=${href} aria-current=${route.view === of || (of === 'peers' && route.view === 'peer') ? 'page' : null}>${text}</a>`)}</nav>
        <div id="view" class="view" tabindex="-1">${view}</div>
      </div>
    </main>
    <footer><${Latest} events=${state.events} /><p><a href="text">In text alone</a> · <a href="openapi.json">Interface for programs</a></p></footer>`;
}

const root = document.getElementById('app');
const name = root.dataset.peer;
root.textContent = '';
render(html`<${Page} name=${name} />`, root);
begin();
