// The ring, drawn: peers, their arcs, keys, and over them what is pointed at or looked up.
import { Card } from './card.js';
import { Chords, useNode } from './chords.js';
import { count, cut, share, shown } from './format.js';
import { angle, degrees, lanes, part, place, polar } from './geometry.js';
import { Keys, owner } from './keys.js';
import { drawn, isGone } from './live.js';
import { Route } from './path.js';
import { peerPath } from './router.js';
import { Shape, state, word } from './shapes.js';
import { html, useEffect, useMemo, useRef, useState } from './vendor/preact-htm.js';

/** From so many peers on members are ticks instead of dots, and the nearest one to the pointer is meant. */
const DENSE = 80;
const LABEL = 16;

function useWidth() {
  const ref = useRef();
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.round(entry.contentRect.width)));
    watch.observe(ref.current);
    return () => watch.disconnect();
  }, []);
  return [ref, width];
}

/** What stands beside a peer. */
function label(peer, self) {
  const note = state(peer) !== 'member' ? ` · ${word(peer)}` : peer.id === self ? ' · asked' : '';
  return cut(peer.name, LABEL) + note;
}

/** The measures of the drawing in pixels: as wide as there is room, and not so high that the card below is out of sight. */
function measures(width, peers, self) {
  const longest = Math.max(4, ...peers.map((peer) => label(peer, self).length));
  const margin = Math.min(longest * 7.2 + 26, width * 0.22);
  const radius = Math.max(70, Math.min(width / 2 - margin, 290, Math.max(200, (innerHeight - 400) / 2)));
  const height = 2 * radius + (peers.length > 24 ? 110 : 84);
  const room = (2 * Math.PI * radius) / Math.max(1, peers.length);
  const band = peers.length > DENSE ? 14 : radius < 140 ? 16 : 22;
  const dot = peers.length > DENSE ? 2 : Math.max(4, Math.min(radius < 140 ? 7 : 9, room * 0.4));
  return { width, height, radius, band, dot, dense: peers.length > DENSE };
}

/** Arcs end at their peer and go back to the one before; so only their length changes as peers come and go. */
function Arcs({ peers, marked, m }) {
  const length = 2 * Math.PI * m.radius;
  return html`<g class="arcs" aria-hidden="true">${peers.map((peer, i) => {
    const tone = i === peers.length - 1 && i % 2 === 0 && i > 0 ? 2 : i % 2;
    const own = peer.share * length;
    const turn = `rotate(${degrees(angle(peer.id))}deg) scale(1, -1)`;
    return html`<circle key=${peer.id} class="arc" data-tone=${tone} data-marked=${peer.id === marked} r=${m.radius}
      stroke-width=${m.band} stroke-dasharray=${`${own} ${length - own}`} style=${{ transform: turn }} />`;
  })}</g>`;
}

function Shares({ peers, m }) {
  return html`<g class="shares" aria-hidden="true">${peers.map((peer) => {
    const text = share(peer.share);
    if (peer.share * 2 * Math.PI * m.radius < text.length * 7 + 2.6 * m.dot + 6) return null;
    const middle = angle(peer.id) - peer.share * Math.PI;
    const [x, y] = polar(middle, m.radius);
    const upright = Math.sin(middle) > 0.02 ? -90 : 90;
    return html`<text key=${peer.id} transform=${`translate(${x} ${y}) rotate(${degrees(middle) + upright})`} dy="0.35em">
      ${text}</text>`;
  })}</g>`;
}

const around = ([x, y], by) => ({ left: x - by, right: x + by, top: y - by, bottom: y + by });

/** Labels of those first that one looks for. */
function useLabels(peers, self, wanted, out, m) {
  return useMemo(() => {
    const weight = (peer) => (wanted.includes(peer.id) ? 0 : peer.id === self ? 1 : state(peer) !== 'member' ? 2 : 3);
    // Every second, fourth, … first, so that what is left out is left out evenly.
    const even = (i) => (i === 0 ? 0 : 32 - (i & -i).toString(2).length);
    const order = peers.map((peer, i) => ({ peer, i, text: label(peer, self) }))
      .sort((a, b) => weight(a.peer) - weight(b.peer) || even(a.i) - even(b.i) || a.i - b.i);
    const near = m.radius + m.band / 2 + (m.dense ? 14 : 10);
    const few = peers.length <= 40;
    const many = { radii: [near, near + 18, near + 36], turns: [0, 0.07, -0.07, 0.14, -0.14, 0.21, -0.21] };
    const some = { radii: [near], turns: [0, 0.04, -0.04] };
    const places = place(order.map(({ peer, text }) => (
      { theta: angle(peer.id), length: text.length, out: out.get(peer.id), more: weight(peer) < 3 ? many : null })), {
      ...(few ? many : some),
      side: 1,
      bound: m.width / 2 - 2,
      taken: few ? peers.map((peer) => around(polar(angle(peer.id), m.radius + out.get(peer.id)), m.dot)) : [],
    });
    // Where the drawing is narrow, those that differ are named inside.
    const left = order.filter(({ peer }, i) => !places[i] && weight(peer) < 3);
    const inner = m.radius - m.band / 2;
    const inside = place(left.map(({ peer, text }) => ({ theta: angle(peer.id), length: text.length })), {
      radii: [inner - 14, inner - 30],
      turns: [...many.turns, 0.35, -0.35, 0.5, -0.5, 0.65, -0.65],
      side: -1,
      bound: inner - 2,
      taken: [{ left: -30, right: 30, top: -40, bottom: 30 }],
    });
    const found = new Map(order.map(({ peer, text }, i) => [peer.id, places[i] && { ...places[i], text }]));
    left.forEach(({ peer, text }, i) => found.set(peer.id, inside[i] && { ...inside[i], text, inside: true }));
    return found;
  }, [peers, self, wanted.join(), out, m]);
}

/** Those that differ are drawn last, over their neighbours. */
const above = (peers, self) => {
  const differs = (peer) => peer.id === self || state(peer) !== 'member';
  return [...peers.filter((peer) => !differs(peer)), ...peers.filter(differs)];
};

function describe(peer, self) {
  // Begins with what stands beside the peer, so that people who say it to their computer reach it.
  const parts = [label(peer, self)];
  if (cut(peer.name, LABEL) !== shown(peer.name)) parts.push(shown(peer.name));
  if (state(peer) === 'member') parts.push('member');
  if (!isGone(peer)) parts.push(`responsible for ${share(peer.share)}`);
  return parts.join(', ');
}

function Peer({ peer, self, label: text, out, current, marked, m, point, walk }) {
  const theta = angle(peer.id);
  const [x, y] = polar(theta, m.radius + out);
  const as = state(peer);
  const plain = m.dense && as === 'member' && peer.id !== self;
  const [fromX, fromY] = polar(theta, m.radius + out + m.band / 2 - 1);
  const mark = plain
    ? html`<line class="tick" x1=${polar(theta, m.radius - m.band / 2)[0]} y1=${polar(theta, m.radius - m.band / 2)[1]}
        x2=${polar(theta, m.radius + m.band / 2 + 3)[0]} y2=${polar(theta, m.radius + m.band / 2 + 3)[1]} />`
    : html`<g transform=${`translate(${x} ${y})`}>
        ${!m.dense && html`<circle class="target" r=${Math.max(12, m.dot + 3)} />`}
        <circle class="halo" r=${Math.max(m.dot, 6) + 5} />
        <${Shape} of=${as} r=${m.dense ? 6 : m.dot} />
        ${peer.id === self && html`<circle class="self" r=${(m.dense ? 6 : m.dot) * 0.4} />`}
      </g>`;
  return html`<a id=${`peer-${peer.id}`} class="peer" href=${peerPath(peer.id)} tabindex=${current ? 0 : -1}
    data-testid="peer" data-peer=${peer.name} data-id=${peer.id} data-state=${as} data-self=${peer.id === self} data-marked=${marked}
    aria-label=${describe(peer, self)} onKeyDown=${walk} onFocus=${() => point(peer.id)} onBlur=${() => point(null)}
    onPointerEnter=${() => m.dense || point(peer.id)} onPointerLeave=${() => m.dense || point(null)}>
    ${plain && html`<circle class="halo" cx=${x} cy=${y} r="9" />`}
    ${out > 0 && html`<line class="leader" x1=${polar(theta, m.radius)[0]} y1=${polar(theta, m.radius)[1]} x2=${x} y2=${y} />`}
    ${text?.far && html`<line class="leader" x1=${text.inside ? x : fromX} y1=${text.inside ? y : fromY} x2=${text.x} y2=${text.y} />`}
    ${mark}
    ${text && html`<text class="name" x=${text.x} y=${text.y} dy="0.35em" text-anchor=${text.anchor}>${text.text}</text>`}
  </a>`;
}

function Middle({ ring, peers, hidden }) {
  const living = peers.filter((peer) => !isGone(peer)).length;
  return html`<g class="middle" data-hidden=${hidden} aria-hidden="true">
    <text class="number" y="-4">${living}</text>
    <text class="what" y="24">${living === 1 ? 'peer' : 'peers'}</text>
    <text class=${ring.agreed ? 'agreed' : 'disagreed'} y="48">${ring.agreed ? 'all views agree' : count(Math.max(1, ring.problems.length), 'problem')}</text>
  </g>`;
}

export function Ring({ live, trace, shownPeer }) {
  const [ref, width] = useWidth();
  const [pointed, setPointed] = useState(null);
  const [key, setKey] = useState(null);
  const [stop, setStop] = useState(null); // Where Tab enters the ring.
  const peers = useMemo(() => drawn(live), [live.ring, live.changed, live.gone]);
  const self = live.node?.id;
  const m = useMemo(() => measures(width, peers, self), [width, peers, self]);
  const marked = pointed ?? (trace ? null : shownPeer);
  const view = useNode(peers.some((peer) => peer.id === marked && !isGone(peer)) ? marked : null, self, live.ring);
  const living = useMemo(() => peers.filter((peer) => !isGone(peer) && peer.share > 0), [peers]);
  const way = trace ? trace.answer.route.path.map((hop) => hop.id) : [];
  const out = useMemo(() => {
    const steps = lanes(peers, m.dense ? 0 : (2 * m.dot) / (2 * Math.PI * m.radius));
    return new Map(peers.map((peer, i) => [peer.id, steps[i] * (2 * m.dot + 1)]));
  }, [peers, m]);
  const labels = useLabels(peers, self, marked ? [marked, ...way] : way, out, m);
  if (!live.ring) {
    return html`<div class="ring" ref=${ref}><p class="empty">${live.problem ? shown(live.problem) : 'Asking the ring …'}</p></div>`;
  }
  const current = peers.find((peer) => peer.id === stop) ?? peers.find((peer) => peer.id === self) ?? peers[0];
  const point = (id) => {
    setPointed(id);
    if (id) {
      setStop(id);
      setKey(null);
    }
  };
  const walk = (event) => {
    const at = peers.findIndex((peer) => peer.id === event.currentTarget.dataset.id);
    const next = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const { id } = peers.at(next % peers.length);
    setStop(id);
    document.getElementById(`peer-${id}`)?.focus();
  };
  const nearest = (event) => {
    const frame = event.currentTarget.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left - m.width / 2, event.clientY - frame.top - m.height / 2];
    if (Math.abs(Math.hypot(x, y) - m.radius) > m.band + 8) return setPointed(null);
    const at = ((Math.atan2(y, x) + Math.PI / 2) / (2 * Math.PI) + 1) % 1;
    const off = (peer) => Math.min(Math.abs(part(peer.id) - at), 1 - Math.abs(part(peer.id) - at));
    return setPointed(peers.reduce((best, peer) => (off(peer) < off(best) ? peer : best)).id);
  };
  const open = () => m.dense && pointed && (location.hash = peerPath(pointed));
  const inner = m.radius - m.band / 2;
  const arcOf = trace?.arrived ? trace.answer.successor.id : marked ?? (key && owner(living, key.key)?.id);
  const card = peers.find((peer) => peer.id === marked);
  return html`<div class="ring" ref=${ref}>
    ${width > 0 && html`<svg data-testid="ring" role="group" width=${m.width} height=${m.height}
      viewBox=${`${-m.width / 2} ${-m.height / 2} ${m.width} ${m.height}`} data-dense=${m.dense} data-pointing=${Boolean(view.node)}
      aria-label=${`The ring: ${count(living.length, 'peer')}, clockwise by identifier. Arrow keys walk round it.`}
      onPointerMove=${m.dense ? nearest : null} onPointerLeave=${() => m.dense && setPointed(null)} onClick=${open}>
      <${Arcs} peers=${living} marked=${arcOf} m=${m} />
      <${Shares} peers=${living} m=${m} />
      <${Middle} ring=${live.ring} peers=${peers} hidden=${Boolean(view.node || trace || key)} />
      ${!trace && html`<${Keys} names=${live.names} peers=${living} quiet=${Boolean(view.node)} point=${setKey} radius=${inner} />`}
      ${view.node && html`<${Chords} node=${view.node} radius=${inner - 1} />`}
      ${trace && html`<${Route} trace=${trace} radius=${m.radius} inner=${inner} />`}
      <g class="peers">${above(peers, self).map((peer) => html`<${Peer} key=${peer.id} peer=${peer} self=${self} label=${labels.get(peer.id)} out=${out.get(peer.id)}
        current=${peer === current} marked=${peer.id === marked} m=${m} point=${point} walk=${walk} />`)}</g>
    </svg>`}
    <${Card} peer=${card} view=${view} file=${key} owner=${key && owner(living, key.key)} looked=${Boolean(trace)} names=${live.names} peers=${living} />
  </div>`;
}
