// Questions to the gateway that served the page: JSON, a deadline each, and errors that speak to people.

const DEADLINE = 12_000;

/** What the gateway refused, in its own words. */
export class Problem extends Error {
  constructor(status, body) {
    super(body.detail || body.title || `The gateway answered ${status}.`);
    this.status = status;
    this.type = String(body.type ?? '').replace('/problems/', '');
  }
}

/** The gateway did not answer at all. */
export class Silence extends Error {}

/** GET `path`, relative to the page, with these query keys; `null` ones are left out. */
export async function get(path, keys = {}, { signal, deadline = DEADLINE } = {}) {
  const query = new URLSearchParams(Object.entries(keys).filter(([, value]) => value != null && value !== ''));
  const target = query.size ? `${path}?${query}` : path;
  const timeout = AbortSignal.timeout(deadline);
  let answer;
  let text;
  try {
    answer = await fetch(target, { signal: signal ? AbortSignal.any([signal, timeout]) : timeout, cache: 'no-store' });
    text = await answer.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Silence(timeout.aborted ? `No answer within ${deadline / 1000} s.` : 'The peer does not answer.');
  }
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    body = {};
  }
  if (!answer.ok) throw new Problem(answer.status, body);
  return body;
}

export const api = {
  ring: () => get('api/v1/ring', {}, { deadline: 30_000 }),
  node: (peer, options) => get('api/v1/node', { peer }, options),
  files: (cursor, limit) => get('api/v1/files', { limit, cursor }),
  search: (q, cursor, signal) => get('api/v1/search', { q, limit: 20, cursor }, { signal }),
  lookup: (keys) => get('api/v1/lookup', keys),
  catalog: (peer, cursor) => get('api/v1/catalog', { peer, limit: 50, cursor }),
  config: () => get('api/v1/config'),
  // Answers `ok`, which is no JSON: only whether it answers counts.
  alive: () => get('livez', {}, { deadline: 4000 }),
};
