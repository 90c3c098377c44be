// A button that copies a line.
import { html, useState } from './vendor/preact-htm.js';

/** By way of a text field: over plain HTTP from another machine there is no clipboard API. */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return;
  } catch {
    // The other way, then.
  }
  const field = document.createElement('textarea');
  field.value = text;
  field.className = 'aside';
  document.body.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  if (!done) throw new Error('the browser does not let pages copy');
}

export function Copy({ line, children }) {
  const [said, setSaid] = useState(null);
  const act = async () => {
    try {
      await copy(line);
      setSaid('copied');
    } catch {
      setSaid('not copied');
    }
    setTimeout(() => setSaid(null), 1600);
  };
  return html`<button type="button" class="quiet" data-testid="copy" data-copy=${line} title=${line} onClick=${act}><span aria-live="polite">${said ?? children}</span></button>`;
}
