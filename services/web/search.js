// Search as one types, and all files where nothing is typed.
import { api } from './api.js';
import { count, number, shown, took } from './format.js';
import { Hit } from './hit.js';
import { Upload } from './upload.js';
import { html, useEffect, useRef, useState } from './vendor/preact-htm.js';

const PAUSE = 180;

/** What an answer leaves open, in words. */
function completeness({ complete, asked, answered, silent }) {
  if (complete) return `Complete: ${asked === 1 ? 'the one peer' : `all ${asked} peers`} asked answered.`;
  if (silent.length > 0) return `Perhaps not all: ${answered} of ${asked} peers asked answered; ${silent.map(shown).join(', ')} did not.`;
  return 'Perhaps not all: a word in it is so common that its list is not kept whole.';
}

const listing = ({ complete, next }) => {
  if (next) return 'More follow below.';
  return complete ? 'Complete: these are all.' : 'Perhaps not all: some peer cannot yet say that its part is whole, as in the first minute of a ring.';
};

/** One page, of a search or of all names. */
async function page(q, cursor, signal) {
  if (q) {
    const found = await api.search(q, cursor, signal);
    return { ...found, words: completeness(found) };
  }
  const found = await api.files(cursor, 20);
  return { hits: found.files, next: found.next, total: null, words: listing(found) };
}

function Summary({ found }) {
  return html`<div>
    <h2>${found.q ? `${count(found.total, 'name')} for “${shown(found.q)}”` : 'All files'}</h2>
    <p class="note">${found.corrected && 'Nothing matched exactly: typing errors were forgiven. '}${found.words}${found.elapsed_us != null && ` ${took(found.elapsed_us)}.`}</p>
  </div>`;
}

function Results({ found, busy, more }) {
  const { hits, total } = found;
  return html`<div>
    <ul class="hits">${hits.map((hit) => html`<${Hit} key=${hit.name} hit=${hit} />`)}</ul>
    ${hits.length === 0 && html`<p class="empty">${found.q ? 'No peer shares a file with such a name.' : 'No peer shares a file yet.'}</p>`}
    ${found.next && html`<button type="button" class="more" disabled=${busy} onClick=${more}>More (${number(hits.length)}${total ? ` of ${number(total)}` : ''} shown)</button>`}
  </div>`;
}

export function Search({ state }) {
  const [q, setQ] = useState('');
  const [found, setFound] = useState(null);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const asking = useRef(null);
  // `more`: the page behind what is shown, else the first one.
  const ask = async (text, more) => {
    asking.current?.abort();
    const abort = new AbortController();
    asking.current = abort;
    setBusy(true);
    try {
      const next = await page(text, more?.next, abort.signal);
      if (abort.signal.aborted) return;
      setFound({ ...next, q: text, hits: more ? [...more.hits, ...next.hits] : next.hits });
      setProblem(null);
    } catch (error) {
      if (abort.signal.aborted) return;
      setProblem(error.message);
    }
    setBusy(false);
  };
  const text = q.trim();
  useEffect(() => {
    const timer = setTimeout(() => ask(text), text ? PAUSE : 0);
    return () => clearTimeout(timer);
  }, [text]);
  // Files that come and go change what is listed, as long as one has not paged on.
  useEffect(() => {
    if (found && found.hits.length <= 20) ask(text);
  }, [state.names]);
  useEffect(() => () => asking.current?.abort(), []);
  return html`<div class="stack">
    <form role="search" onSubmit=${(event) => {
      event.preventDefault();
      ask(text);
    }}>
      <label for="search">Search the names of all files</label>
      <input id="search" type="search" value=${q} onInput=${(event) => setQ(event.target.value)} autocomplete="off" spellcheck="false"
        aria-describedby="search-help" placeholder="report ext:pdf size:>10kB" />
      <p id="search-help" class="note">Words, “phrases”, -without, ext:, size:, newer:, older:, peer:, * and ?</p>
    </form>
    <div aria-live="polite" class="stack">
      ${problem && html`<p class="problem">${shown(problem)}</p>`}
      ${found && !problem && html`<${Summary} found=${found} />`}
    </div>
    <div class="stack" aria-busy=${busy}>${found && html`<${Results} found=${found} busy=${busy} more=${() => ask(found.q, found)} />`}</div>
    <${Upload} />
  </div>`;
}
