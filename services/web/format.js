// Values as people read them.

// What acts or hides instead of being seen; the same set as in client/src/text.rs.
const TREACHEROUS = new RegExp(
  '[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180e\\u3164\\uffa0'
  + '\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ufff9-\\ufffb'
  + '\\u{1bca0}-\\u{1bca3}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}]', 'gu');
const SHORT = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Text from outside on one line, with every character that acts written out: `\u{202e}`. */
export const shown = (text) => String(text ?? '').replace(TREACHEROUS,
  (c) => SHORT[c] ?? `\\u{${c.codePointAt(0).toString(16)}}`);

/** At most `length` characters of `shown`. */
export function cut(text, length) {
  const characters = [...shown(text)];
  return characters.length <= length ? characters.join('') : `${characters.slice(0, length - 1).join('')}…`;
}

export const short = (id) => `${id.slice(0, 8)}…`;

const NUMBER = new Intl.NumberFormat('en');
export const number = (value) => (value == null ? '–' : NUMBER.format(value));

export const count = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

export function bytes(size) {
  if (size == null) return '–';
  if (size < 1000) return `${size} B`;
  const units = ['kB', 'MB', 'GB', 'TB', 'PB'];
  let [value, unit] = [size / 1000, 0];
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

export function share(part) {
  const percent = part * 100;
  if (percent > 0 && percent < 0.05) return '<0.1 %';
  return `${percent < 9.95 ? percent.toFixed(1) : Math.round(percent)} %`;
}

export function took(us) {
  if (us < 1000) return `${us} µs`;
  if (us < 1e6) return `${(us / 1000).toFixed(us < 9950 ? 1 : 0)} ms`;
  return `${(us / 1e6).toFixed(1)} s`;
}

/** How long ago, from milliseconds. */
export function age(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
}

export const clock = (time) => new Date(time).toLocaleTimeString('en-GB');
export const moment = (time) => new Date(time).toLocaleString('en-GB', { dateStyle: 'medium', timeStyle: 'short' });

/** The address, where it is one of HTTP: others never become links. */
export const web = (url) => (/^https?:\/\//.test(url ?? '') ? url : null);

/** One word for a shell; characters that act are written out, as pasted ones would act at once. */
export function quoted(text) {
  if (/^[\w./:@%+=,-]+$/.test(text)) return text;
  const escape = (c) => `\\U${c.codePointAt(0).toString(16).padStart(8, '0')}`;
  const safe = text.replace(/[\\']/g, '\\$&').replace(TREACHEROUS, escape);
  return text.search(TREACHEROUS) < 0 ? `'${text.replaceAll("'", "'\\''")}'` : `$'${safe}'`;
}
