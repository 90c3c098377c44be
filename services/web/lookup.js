// A lookup, shown hop by hop: all at once with a pause between them, or step by step.
import { api } from './api.js';
import { count, share, shown, took } from './format.js';
import { live } from './live.js';
import { peerPath } from './router.js';
import { store, useStore } from './store.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

/** Between two hops. */
const PACE = 900;

/** The lookup that is shown: `step` hops of it, in `arrived` with the answer. */
export const trace = store({ answer: null, step: 0, arrived: false, stepping: false, problem: null, busy: false });

let timer = null;
let asked = 0;

function stop() {
  clearTimeout(timer);
  timer = null;
}

function show(step) {
  const last = trace.get().answer.route.path.length - 1;
  trace.set({ step: Math.max(0, Math.min(step, last)), arrived: step > last });
}

/** One step on: the next hop, and behind the last one the answer. */
function next() {
  const { step, arrived, answer } = trace.get();
  if (answer && !arrived) show(step + 1);
}

function back() {
  const { step, arrived } = trace.get();
  if (arrived) trace.set({ arrived: false });
  else if (step > 0) show(step - 1);
}

function play() {
  stop();
  timer = setTimeout(() => {
    next();
    if (!trace.get().arrived) play();
  }, matchMedia('(prefers-reduced-motion: reduce)').matches ? PACE / 3 : PACE);
}

async function look(text, stepping) {
  stop();
  const number = ++asked;
  const keys = /^[0-9a-f]{40}$/i.test(text) ? { key: text.toLowerCase() } : { name: text };
  trace.set({ busy: true, problem: null });
  try {
    const answer = await api.lookup(keys);
    if (number !== asked) return;
    trace.set({ answer, step: 0, arrived: false, stepping, busy: false });
    if (!stepping) play();
  } catch (error) {
    if (number === asked) trace.set({ answer: null, busy: false, problem: error.message });
  }
}

function Hop({ hop, number, now }) {
  return html`<li data-testid="hop" data-peer=${hop.peer} data-rule=${hop.rule} aria-current=${now ? 'step' : null}>
    <p><span class="step">${number === 0 ? 'asked' : `hop ${number}`}</span> <a href=${peerPath(hop.id)}>${shown(hop.peer)}</a>
      ${number > 0 && html` <span class="note">answered in ${took(hop.elapsed_us)}</span>`}</p>
    ${hop.reason && html`<p class="reason">${shown(hop.reason)}</p>`}</li>`;
}

function Answer({ answer }) {
  const { successor, arc, keepers, route } = answer;
  const part = live.get().ring?.peers.find((peer) => peer.id === successor.id)?.share;
  return html`<div class="answer" data-testid="lookup-owner" data-peer=${successor.name}>
    <p><strong><a href=${peerPath(successor.id)}>${shown(successor.name)}</a></strong> is responsible for this key${part != null && `, and for ${share(part)} of the ring`}.</p>
    <dl class="rows"><div><dt>hops</dt><dd>${route.hops}, ${took(route.elapsed_us)} in all</dd></div>
      <div><dt>its arc</dt><dd><code>${arc.from.slice(0, 8)}… ${'<'} ${answer.key.slice(0, 8)}… ≤ ${arc.to.slice(0, 8)}…</code></dd></div>
      <div><dt>kept by</dt><dd>${keepers.map((peer) => shown(peer.name)).join(', ')}</dd></div>
      ${route.failed.length > 0 && html`<div><dt>no answer from</dt><dd class="warn">${route.failed.map((peer) => shown(peer.name)).join(', ')}</dd></div>`}
    </dl></div>`;
}

export function Lookup({ name }) {
  const [text, setText] = useState(name ?? trace.get().answer?.name ?? trace.get().answer?.key ?? '');
  const { answer, step, arrived, stepping, problem, busy } = useStore(trace);
  useEffect(() => {
    if (!name) return;
    setText(name);
    if (trace.get().answer?.name !== name) look(name, false);
  }, [name]);
  useEffect(() => stop, []);
  const go = (slowly) => text && look(text, slowly);
  const path = answer?.route.path ?? [];
  return html`<div class="stack"><form onSubmit=${(event) => {
      event.preventDefault();
      go(false);
    }}>
      <label for="lookup-name">Who is responsible for a file name, or a key of 40 hexadecimal digits?</label>
      <div class="line"><input id="lookup-name" value=${text} onInput=${(event) => setText(event.target.value)} autocomplete="off" spellcheck="false" required placeholder="report.pdf" />
        <button id="lookup-go" class="button" disabled=${busy}>Look up</button>
        <button id="lookup-step" type="button" disabled=${busy || !text} onClick=${() => go(true)}>Step by step</button></div>
    </form>
    ${problem && html`<p class="problem" role="alert">${shown(problem)}</p>`}
    ${answer && html`<section class="stack" aria-labelledby="lookup-title">
      <h2 id="lookup-title">${answer.name == null ? 'A key' : shown(answer.name)}</h2>
      <dl class="rows"><div><dt>${answer.name == null ? 'key' : 'SHA-1, its key'}</dt><dd><code data-testid="lookup-key">${answer.key}</code></dd></div></dl>
      <ol class="hops" aria-live="polite">${path.slice(0, step + 1).map((hop, i) => html`<${Hop} key=${i} hop=${hop} number=${i} now=${i === step && !arrived} />`)}</ol>
      ${stepping && html`<p class="actions"><button type="button" disabled=${step === 0} onClick=${back}>Back</button>
        <button id="lookup-next" type="button" class="button" disabled=${arrived} onClick=${next}>${step < path.length - 1 ? 'Next hop' : 'The answer'}</button>
        <span class="note">${arrived ? 'arrived' : `step ${step + 1} of ${path.length}`}</span></p>`}
      <div aria-live="polite">${arrived && html`<${Answer} answer=${answer} />`}
        ${!arrived && !stepping && html`<p class="note">${step < path.length - 1 ? `${count(path.length - 1 - step, 'hop')} to come …` : 'The answer comes …'}</p>`}</div>
    </section>`}
    ${!answer && !problem && html`<p class="note">The name is hashed to a key, a place on the ring. The first peer at or behind it is responsible; each peer on the way only knows some others, and hands the question on to one that is closer.</p>`}</div>`;
}
