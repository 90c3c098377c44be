// A new file for the peer that served the page, where it takes uploads.
import { Problem, api } from './api.js';
import { bytes, shown } from './format.js';
import { html, useEffect, useRef, useState } from './vendor/preact-htm.js';

/** PUT with progress, which fetch does not tell. */
function put(file, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', `files/${encodeURIComponent(file.name)}`);
    request.upload.onprogress = (event) => progress(event.loaded);
    request.onerror = () => reject(new Error('The peer did not take it: the connection broke off.'));
    request.onload = () => {
      let body = {};
      try {
        body = JSON.parse(request.responseText);
      } catch {
        // Its status says enough.
      }
      if (request.status < 300) resolve(body);
      else reject(new Problem(request.status, body));
    };
    request.send(file);
  });
}

export function Upload() {
  const [said, setSaid] = useState(null);
  const [part, setPart] = useState(null);
  const [allowed, setAllowed] = useState(null); // Null: the peer does not say; then the upload itself tells.
  const field = useRef();
  useEffect(() => {
    api.config().then(({ values }) => {
      const uploads = values.find(({ key }) => key === 'transfer.uploads');
      if (uploads) setAllowed(uploads.value === 'true');
    }, () => {});
  }, []);
  const send = async () => {
    const file = field.current.files[0];
    if (!file) return;
    setPart(0);
    setSaid(`Sending ${shown(file.name)}, ${bytes(file.size)} …`);
    try {
      await put(file, (loaded) => setPart(file.size ? loaded / file.size : 1));
      setSaid(`${shown(file.name)} is shared by this peer; the network finds it in a moment.`);
    } catch (error) {
      // A refusal names the key of the configuration that would allow it.
      setSaid(`${shown(file.name)}: ${shown(error.message)}`);
    }
    setPart(null);
    field.current.value = '';
  };
  if (allowed === false) {
    return html`<section class="upload" aria-labelledby="upload-title"><h2 id="upload-title">Share a file from here</h2>
      <p class="note">This peer takes no uploads. Its owner allows them by transfer.uploads = true in its configuration.</p></section>`;
  }
  return html`<section class="upload" aria-labelledby="upload-title"><h2 id="upload-title">Share a file from here</h2>
    <label for="upload">It is stored in the directory that this peer shares</label>
    <input id="upload" type="file" ref=${field} onChange=${send} disabled=${part !== null} />
    ${part !== null && html`<progress max="1" value=${part} aria-label="Sent so far"></progress>`}
    <p aria-live="polite">${said}</p></section>`;
}
