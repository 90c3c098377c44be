// One name with its contents, and for each of them who has it and how to get it.
import { Copy } from './copy.js';
import { bytes, count, cut, moment, quoted, shown, web } from './format.js';
import { live } from './live.js';
import { lookupPath, peerPath } from './router.js';
import { html } from './vendor/preact-htm.js';

/** Sources of the same bytes together; one without a digest stands alone. */
function contents(sources) {
  const groups = new Map();
  for (const source of sources) {
    const key = source.digest ?? `${source.id} ${source.path}`;
    groups.set(key, [...(groups.get(key) ?? []), source]);
  }
  return [...groups.values()];
}

function Holder({ source }) {
  return html`<li><a href=${peerPath(source.id)}>${cut(source.peer, 30)}</a> <span class="state" data-state=${source.alive ? 'member' : 'failed'}>${source.alive ? 'alive' : 'does not answer'}</span></li>`;
}

function Content({ name, sources, of }) {
  const best = sources.find((source) => source.alive) ?? sources[0];
  const url = web(best.url);
  const digits = best.digest?.replace('blake3:', '');
  // A name may look like an option.
  const [file, last] = name.startsWith('-') ? [`./${name}`, '-- '] : [name, ''];
  const peer = live.get().node?.addresses.chord;
  const choice = of > 1 && digits ? ` --digest ${digits.slice(0, 8)}` : '';
  return html`<div class="content">
    <p>${bytes(best.size)}, changed ${moment(best.modified)}${of > 1 && html`, digest <code>${digits ? digits.slice(0, 8) : 'not computed yet'}</code>`}</p>
    <ul class="holders" aria-label="Holders">${sources.map((source) => html`<${Holder} key=${source.id + source.path} source=${source} />`)}</ul>
    <p class="actions">
      ${url && html`<a class="button" data-testid="download" href=${`${url}?save`} download=${name}>Download from ${cut(best.peer, 20)}</a>
        <${Copy} line=${`curl -o ${quoted(file)} ${quoted(url)}`}>Copy curl<//>`}
      <${Copy} line=${`chord-cli${peer ? ` --peer ${quoted(peer)}` : ''} get${choice} ${last}${quoted(name)}`}>Copy chord-cli<//>
    </p></div>`;
}

export function Hit({ hit }) {
  const groups = contents(hit.sources);
  return html`<li class="hit" data-testid="hit" data-name=${hit.name}>
    <h3>${shown(hit.name)} <a class="aside-link" href=${lookupPath(hit.name)} aria-label=${`Look up ${shown(hit.name)}`}>look up</a></h3>
    ${groups.length > 1 && html`<p class="warn">${count(groups.length, 'different content')} under this name.</p>`}
    ${hit.total > hit.sources.length && html`<p class="note">The first ${hit.sources.length} of ${count(hit.total, 'holder')}.</p>`}
    ${groups.map((sources) => html`<${Content} key=${sources[0].url} name=${hit.name} sources=${sources} of=${groups.length} />`)}
  </li>`;
}
