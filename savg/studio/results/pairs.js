/* One dot for each pair of clips of two runs. All words come from files, and go in as text only. */

const root = element.querySelector('.rp');
const part = (name) => root.querySelector('.rp-' + name);
const SVG = 'http://www.w3.org/2000/svg';
const SIZE = 420, LEFT = 54, BOTTOM = 48, EDGE = 14;
const NEAR = 22;
let dots = [], current = -1;

function draw(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

function number(value) {
  return Number(value.toPrecision(3)).toString().replace('-', '−');
}

function scale(values) {
  let low = Math.min(...values), high = Math.max(...values);
  if (high - low < 1e-12) { low -= 0.5; high += 0.5; }
  const raw = (high - low) / 4, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((m) => m * power >= raw * (1 - 1e-9)) * power;
  const first = Math.floor(low / step + 1e-9), last = Math.ceil(high / step - 1e-9);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return { ticks, low: first * step, high: last * step };
}

function short(text) {
  return text.length > 44 ? text.slice(0, 43) + '…' : text;
}

function plane(value) {
  const axis = scale(value.points.flatMap((p) => [p[1], p[2]]));
  const share = (v) => (v - axis.low) / (axis.high - axis.low);
  const x = (v) => LEFT + share(v) * (SIZE - LEFT - EDGE);
  const y = (v) => SIZE - BOTTOM - share(v) * (SIZE - BOTTOM - EDGE);
  const svg = draw('svg', { viewBox: `0 0 ${SIZE} ${SIZE}`, role: 'group', 'aria-label': value.title });
  for (const tick of axis.ticks) {
    svg.append(
      draw('line', { class: 'rp-grid', x1: x(tick), x2: x(tick), y1: EDGE, y2: SIZE - BOTTOM }),
      draw('line', { class: 'rp-grid', x1: LEFT, x2: SIZE - EDGE, y1: y(tick), y2: y(tick) }),
      draw('text', { x: x(tick), y: SIZE - BOTTOM + 17, 'text-anchor': 'middle' }, number(tick)),
      draw('text', { x: LEFT - 7, y: y(tick) + 4, 'text-anchor': 'end' }, number(tick)));
  }
  svg.append(
    draw('line', { class: 'rp-same', x1: x(axis.low), y1: y(axis.low), x2: x(axis.high), y2: y(axis.high) }),
    draw('text', { class: 'rp-axis', x: (LEFT + SIZE) / 2, y: SIZE - 8, 'text-anchor': 'middle' }, short(value.x)),
    draw('text', { class: 'rp-axis', 'text-anchor': 'middle',
                   transform: `translate(14 ${(SIZE - BOTTOM) / 2}) rotate(-90)` }, short(value.y)));
  const order = [...value.points].sort((a, b) => a[1] - b[1] || a[2] - b[2]);
  dots = order.map(([name, a, b], i) => {
    const told = `${name}: ${value.x} ${number(a)}, ${value.y} ${number(b)}`;
    const dot = draw('circle', { class: 'rp-dot', cx: x(a), cy: y(b), r: 5.5, role: 'button',
                                 tabindex: i ? -1 : 0, 'aria-label': `${told}. Open in Inspect` });
    svg.append(dot);
    return { name, told, dot, x: x(a), y: y(b) };
  });
  return svg;
}

function mark(i, focus) {
  if (dots[current]) dots[current].dot.classList.remove('rp-current');
  current = i;
  part('now').textContent = dots[i] ? dots[i].told : '';
  if (!dots[i]) return;
  dots[i].dot.classList.add('rp-current');
  if (!focus) return;
  for (const { dot } of dots) dot.setAttribute('tabindex', dot === dots[i].dot ? 0 : -1);
  dots[i].dot.focus();
}

function open(i) {
  if (!dots[i]) return;
  part('now').textContent = `Opening ${dots[i].name} …`;
  trigger('select', { open: dots[i].name });
}

function nearest(event) {
  const svg = part('plane').firstElementChild;
  if (!svg) return -1;
  const box = svg.getBoundingClientRect(), factor = SIZE / box.width;
  const x = (event.clientX - box.left) * factor, y = (event.clientY - box.top) * factor;
  let best = -1, least = NEAR * factor;
  dots.forEach((one, i) => {
    const distance = Math.hypot(one.x - x, one.y - y);
    if (distance < least) { best = i; least = distance; }
  });
  return best;
}

function show(value) {
  root.hidden = !value;
  dots = []; current = -1;
  part('now').textContent = '';
  part('plane').replaceChildren();
  if (!value) return;
  root.querySelector('h4').textContent = value.title;
  part('note').textContent = value.note;
  part('note').hidden = !value.note;
  part('how').hidden = !value.points.length;
  if (value.points.length) part('plane').append(plane(value));
}

part('plane').addEventListener('pointermove', (event) => mark(nearest(event), false));
part('plane').addEventListener('click', (event) => open(nearest(event)));
part('plane').addEventListener('focusin', (event) => {
  mark(dots.findIndex((one) => one.dot === event.target), false);
});
part('plane').addEventListener('keydown', (event) => {
  const i = dots.findIndex((one) => one.dot === event.target);
  const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };
  if (i < 0) return;
  if (event.key === 'Enter' || event.key === ' ') open(i);
  else if (event.key === 'Home') mark(0, true);
  else if (event.key === 'End') mark(dots.length - 1, true);
  else if (event.key in steps) mark(Math.min(Math.max(i + steps[event.key], 0), dots.length - 1), true);
  else return;
  event.preventDefault();
  event.stopPropagation();
});

watch('value', () => show(props.value));
show(props.value);
