// One peer: its facts, neighbours, fingers, configuration and files.
import { api } from './api.js';
import { useNode } from './chords.js';
import { bytes, count, moment, number, share, short, shown, web } from './format.js';
import { drawn, isGone } from './live.js';
import { lookupPath, peerPath } from './router.js';
import { Sign, state, word } from './shapes.js';
import { html, useEffect, useState } from './vendor/preact-htm.js';

const To = ({ peer }) => (peer ? html`<a href=${peerPath(peer.id)}>${shown(peer.name)}</a>` : 'none');

function Facts({ peer, node }) {
  const rows = [
    ['identifier', html`<code>${peer.id}</code>`],
    ['responsible for', isGone(peer) ? 'nothing any more' : `${share(peer.share)} of the ring`],
    ['keeps', `${number(node?.entries.owned ?? peer.entries?.owned)} entries of its own arc, ${number(node?.entries.replicas ?? peer.entries?.replicas)} copies`],
    ['shares', count(node?.shared_files ?? peer.shared_files, 'file')],
    ...Object.entries(node?.addresses ?? { chord: peer.chord }).map(([service, address]) => [service, shown(address)]),
    ['version', shown(node?.version ?? peer.version ?? '–')],
  ];
  if (node?.trouble) rows.push(['trouble', shown(node.trouble)]);
  if (node?.publishing) rows.push(['published', `${number(node.publishing.acknowledged)} of ${count(node.publishing.keys, 'key')} acknowledged by all keepers`]);
  return html`<dl class="rows">${rows.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

function Neighbours({ node }) {
  return html`<section class="stack"><h3>Neighbours</h3><dl class="rows">
      <div><dt>predecessor</dt><dd><${To} peer=${node.predecessor} /></dd></div>
      <div><dt>successors</dt><dd>${node.successors.map((peer, i) => html`${i > 0 && ', '}<${To} key=${peer.id} peer=${peer} />`)}</dd></div></dl>
    <h3>Fingers</h3>
    <p class="note">${node.fingers.length === 0 ? 'None: its successors are all it needs.' : 'The first peer behind each start; those that are not listed are the first successor.'}</p>
    ${node.fingers.length > 0 && html`<div class="scroll" tabindex="0" role="group" aria-label="Table of fingers"><table><thead><tr><th scope="col">Start</th><th scope="col">Peer</th></tr></thead>
      <tbody data-testid="fingers">${node.fingers.map((finger) => html`<tr key=${finger.start}><td><code>${short(finger.start)}</code></td><td>${finger.peer ? html`<${To} peer=${finger.peer} />` : 'not known'}</td></tr>`)}</tbody></table></div>`}</section>`;
}

function Config({ peer, own, gateway }) {
  const [config, setConfig] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    if (own) api.config().then(setConfig, (error) => setProblem(error.message));
  }, [own]);
  if (!own) {
    return html`<section class="stack"><h3>Configuration</h3><p class="note">Only ${shown(peer.name)} itself says how it is configured${web(gateway)
      ? html`: <a href=${`${gateway}/${peerPath(peer.id)}`}>its own page</a>` : '; its gateway is not known'}.</p></section>`;
  }
  return html`<section class="stack"><h3>Configuration</h3>
    ${problem && html`<p class="problem">${shown(problem)}</p>`}
    ${config && html`<div><p class="note">${config.file ? `From ${shown(config.file)}, the environment and the command line.` : 'No file: from the environment and the command line.'}</p>
    <div class="scroll" tabindex="0" role="group" aria-label="Table of the configuration"><table><thead><tr><th scope="col">Key</th><th scope="col">Value</th><th scope="col">Origin</th></tr></thead>
      <tbody data-testid="config">${config.values.map((value) => html`<tr key=${value.key}><th scope="row">${value.key}</th><td class="long"><code>${shown(value.value)}</code></td><td class="long">${shown(value.origin)}</td></tr>`)}</tbody></table></div></div>`}</section>`;
}

function Catalog({ id }) {
  const [page, setPage] = useState(null);
  const [problem, setProblem] = useState(null);
  const load = async (cursor, before) => {
    try {
      const next = await api.catalog(id, cursor);
      setPage({ ...next, files: [...before, ...next.files] });
    } catch (error) {
      setProblem(error.message);
    }
  };
  useEffect(() => {
    setPage(null);
    setProblem(null);
    load(null, []);
  }, [id]);
  return html`<section class="stack"><h3>Files that it shares${page && ` (${number(page.total)})`}</h3>
    ${(problem ?? page?.problem) && html`<p class="problem">${shown(problem ?? page.problem)}</p>`}
    ${page && page.files.length > 0 && html`<div class="scroll" tabindex="0" role="group" aria-label="Table of files"><table><thead><tr><th scope="col">Path</th><th scope="col">Size</th><th scope="col">Changed</th><th scope="col"><span class="aside">Lookup</span></th></tr></thead>
      <tbody data-testid="catalog">${page.files.map((file) => html`<tr key=${file.path}><th scope="row" class="long">${web(file.url) ? html`<a href=${`${file.url}?save`} download=${file.name}>${shown(file.path)}</a>` : shown(file.path)}</th><td class="amount">${bytes(file.size)}</td><td>${moment(file.modified)}</td>
        <td><a href=${lookupPath(file.name)} aria-label=${`Look up ${shown(file.name)}`}>look up</a></td></tr>`)}</tbody></table></div>`}
    ${page?.next && html`<button type="button" class="more" onClick=${() => load(page.next, page.files)}>More (${number(page.files.length)} of ${number(page.total)} shown)</button>`}</section>`;
}

export function PeerPage({ id, state: live }) {
  const peer = drawn(live).find((one) => one.id === id || one.name === id);
  const { node, error } = useNode(peer && !isGone(peer) ? peer.id : null, live.node?.id, live.ring);
  if (!peer) {
    return html`<div data-testid="peer-page"><h2>Peer</h2><p class="empty">${live.ring ? 'This peer is not in the ring any more, as far as is known here.' : 'Asking the ring …'}</p></div>`;
  }
  return html`<div class="stack" data-testid="peer-page" data-peer=${peer.name}>
    <h2><${Sign} of=${state(peer)} />${shown(peer.name)} <span class="state" data-state=${state(peer)}>${word(peer)}</span></h2>
    <${Facts} peer=${peer} node=${node} />
    ${error && html`<p class="problem">${shown(error)}</p>`}
    ${node && html`<${Neighbours} node=${node} />`}
    ${!isGone(peer) && html`<${Catalog} key=${peer.id} id=${peer.id} />`}
    <${Config} key=${`config ${peer.id}`} peer=${peer} own=${peer.id === live.node?.id} gateway=${peer.gateway} />
  </div>`;
}
