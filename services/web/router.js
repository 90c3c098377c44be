// Views by the part of the address behind `#`: `#/lookup?name=a`.
import { useEffect, useState } from './vendor/preact-htm.js';

function parse() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const [view, ...rest] = path.split('/');
  return { view: view || 'search', rest: rest.map(decodeURIComponent), query: new URLSearchParams(query) };
}

function current() {
  try {
    return parse();
  } catch {
    return { view: 'search', rest: [], query: new URLSearchParams() };
  }
}

export const peerPath = (id) => `#/peer/${encodeURIComponent(id)}`;
export const lookupPath = (name) => `#/lookup?${new URLSearchParams({ name })}`;

export function useRoute() {
  const [route, setRoute] = useState(current);
  useEffect(() => {
    const follow = () => setRoute(current());
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return route;
}
