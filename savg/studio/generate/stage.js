/* The stage: a place or a path in a panel of the picture's shape, in which time runs downwards, and choices
   beside it. `window.savgStages` has what is asked for, by the component's id; `text()` is what goes to the
   studio with "Generate", empty where all is open or the weights take no direction. */

const root = element.querySelector('.dir');
const part = (name) => root.querySelector('[data-is="' + name + '"]');
const button = (name) => root.querySelector('[data-do="' + name + '"]');
const picture = part('picture'), layer = part('layer');
const SURPRISE = 'Surprise me';
const SAY = [['', SURPRISE], ['speech', 'Speech'], ['instrument', 'Instrument']];
const PEOPLE = [[0, SURPRISE], [1, '1'], [2, '2'], [3, '3']];
const WHERE = [['', SURPRISE], ['place', 'One place'], ['path', 'A path']];

/* given: a path as a link had it, which stands until the moments are edited. */
let shown = {}, applied = null, say = '', people = 0, moments = [], given = '', strengths = {};
let chosen = 0, costs = 1;
const seconds = () => shown.seconds || 5;
const step = () => seconds() / (shown.frames || 20);
const off = () => Boolean(shown.refusal);
const where = () => ['', 'place'][moments.length] ?? 'path';
const isPath = () => moments.length > 1;

function apply() {
  const value = props.value || {};
  if (!value.once || value.once === applied) return;
  applied = value.once;
  shown = value;
  if (value.asked) {
    ({ say = '', people = 0, moments = [], path: given = '', strengths = {} } = JSON.parse(JSON.stringify(value.asked)));
    chosen = 0;
  }
  refresh();
}

/* Conditions that are asked for with a weight of their own. */
function weights() {
  const asked = { sound: say, people, x: moments.length };
  return Object.fromEntries(Object.entries(strengths).filter(([name, weight]) => asked[name] && weight !== 1));
}

function text() {
  apply();
  if (off() || !(say || people || moments.length)) return '';
  const x = given ? { path: given } : { moments };
  return JSON.stringify({ say, people, ...x, strengths: weights() });
}

function edit(next, at = chosen) {
  moments = next;
  given = '';
  chosen = clamp(at, 0, Math.max(0, moments.length - 1));
  refresh();
}

function choosePlaces(kind) {
  const x = moments.length ? moments[Math.min(chosen, moments.length - 1)][1] : FRAME / 2;
  if (kind === where()) return refresh();
  if (!kind) return edit([]);
  if (kind === 'place') return edit([[0, x]], 0);
  return edit(moments.length ? [[0, x], [seconds(), FRAME - x]] : [[0, 64], [seconds(), 192]], 0);
}

function setMoment(at, time, x) {
  const [before, after] = [moments[at - 1], moments[at + 1]];
  const least = before ? before[0] + step() : 0, most = after ? after[0] - step() : seconds();
  const snapped = isPath() ? clamp(onGrid(time), least, Math.max(least, most)) : 0;
  edit(moments.map((one, i) => (i === at ? [snapped, clamp(Math.round(x), 0, FRAME)] : one)), at);
}

const onGrid = (time) => round(clamp(Math.round(time / step()) * step(), 0, seconds()), 3);

/* Into the widest gap, or after the last moment. */
function addMoment() {
  let best = [0, 0];
  const edges = [...moments.map(([time]) => time), seconds()];
  for (let i = 0; i + 1 < edges.length; i++) if (edges[i + 1] - edges[i] > best[0]) best = [edges[i + 1] - edges[i], i];
  const [gap, i] = best, last = i === moments.length - 1;
  const time = onGrid(edges[i] + (last ? gap : gap / 2));
  if (!gap || moments.length >= MOST_MOMENTS || moments.some(([at]) => at === time)) return;
  edit(putRow([...moments], [time, Math.round(placeAt(moments, time))], step() / 2, MOST_MOMENTS), i + 1);
  layer.children[chosen].focus();
}

function dropMoment(at) {
  edit(moments.filter((_, i) => i !== at), at);
  if (layer.children[chosen]) layer.children[chosen].focus();
}

function placeWords(x) {
  return 'x ' + Math.round(x) + ', ' + sideAt(x);
}

function note() {
  if (!moments.length) return 'Click into the frame to say where the sound shall be.';
  const [time, x] = moments[chosen];
  if (!isPath()) return placeWords(x) + ', from start to end. Drag it, or move it by the arrow keys.';
  return 'At ' + time.toFixed(2) + ' s: ' + placeWords(x) + '. Time runs down: drag a moment, or draw a new path.';
}

function refresh() {
  part('refusal').textContent = shown.refusal || shown.warning || '';
  part('body').disabled = off();
  root.classList.toggle('dir-off', off());
  root.dataset.where = where() || 'anywhere';
  chips(part('say'), SAY, say, (key) => { say = key; refresh(); });
  chips(part('people'), PEOPLE, people, (key) => { people = key; refresh(); });
  chips(part('where'), WHERE, where(), choosePlaces);
  button('reset').disabled = off() || !(say || people || moments.length || Object.keys(weights()).length);
  button('drop').disabled = !isPath();
  part('moments').hidden = !isPath();
  part('anywhere').hidden = moments.length > 0;
  part('from').hidden = part('to').hidden = !isPath();
  part('to').textContent = seconds() + ' s';
  part('note').textContent = off() ? '' : note();
  drawPath();
  placeHandles();
  showStrengths();
  const now = 1 + Object.keys(weights()).length;
  if (now !== costs && !off()) trigger('select', { evaluations: now });
  costs = now;
}

function drawPath() {
  const high = 144 / seconds();
  const points = moments.length ? [[0, moments[0][1]], ...moments, [seconds(), moments[moments.length - 1][1]]] : [];
  const drawn = points.map(([time, x]) => x + ',' + time * high).join(' ');
  for (const name of ['case', 'line']) part(name).setAttribute('points', isPath() || !drawn ? drawn
    : moments[0][1] + ',0 ' + moments[0][1] + ',144');
}

/* Nodes stay while moments move, so that a drag, the focus and a screen reader stay with them. */
function placeHandles() {
  while (layer.children.length > moments.length) layer.lastChild.remove();
  while (layer.children.length < moments.length) {
    const handle = make('button', { type: 'button', class: 'dir-handle', role: 'slider', 'aria-valuemin': 0, 'aria-valuemax': FRAME });
    handle.onfocus = () => { chosen = [...layer.children].indexOf(handle); refresh(); };
    layer.append(handle);
  }
  moments.forEach(([time, x], i) => {
    const handle = layer.children[i], at = isPath() ? 'at ' + time.toFixed(2) + ' s' : 'from start to end';
    handle.style.left = (100 * x / FRAME) + '%';
    handle.style.top = (isPath() ? 100 * time / seconds() : 50) + '%';
    handle.classList.toggle('dir-chosen', i === chosen);
    handle.setAttribute('aria-label', (isPath() ? 'Moment ' + (i + 1) + ' of ' + moments.length : 'Where the sound shall be')
      + (isPath() ? '. Left and right move it in the frame, up and down in time, Delete removes it.' : '. Left and right move it, Delete leaves it open.'));
    handle.setAttribute('aria-valuenow', Math.round(x));
    handle.setAttribute('aria-valuetext', placeWords(x) + ', ' + at);
  });
}

function showStrengths() {
  const home = part('strengths'), asked = { sound: say, people, x: moments.length };
  const all = Object.entries(shown.strengths || {});
  if (home.children.length !== all.length) {
    home.replaceChildren(...all.map(([name, words]) => {
      const range = make('input', { type: 'range', class: 'sp-range', min: 0, max: shown.most, step: 0.25, 'data-of': name, 'aria-label': 'Strength: ' + words });
      range.oninput = () => { strengths[name] = Number(range.value); refresh(); };
      return make('label', { class: 'dir-strength' }, make('span', {}, words), range, make('output', {}));
    }));
  }
  for (const label of home.children) {
    const range = label.querySelector('input'), weight = strengths[range.dataset.of] ?? 1;
    range.value = weight;
    range.disabled = !asked[range.dataset.of];
    label.lastChild.textContent = weight;
  }
}

/* Where a pointer is: seconds and x. */
function spotAt(event) {
  const area = picture.getBoundingClientRect();
  return [clamp((event.clientY - area.top) / area.height, 0, 1) * seconds(),
          clamp((event.clientX - area.left) / area.width, 0, 1) * FRAME];
}

let tapped = false;
picture.addEventListener('pointerdown', (event) => {
  if (off() || event.button) return;
  const handle = event.target.closest('.dir-handle'), at = [...layer.children].indexOf(handle);
  const [time, x] = spotAt(event), touch = event.pointerType === 'touch';
  const far = (later) => Math.hypot(later.clientX - event.clientX, later.clientY - event.clientY) >= 3;
  tapped = !handle && touch && !isPath();  // a finger may be about to scroll the page: `click` tells
  if (!tapped) event.preventDefault();
  if (handle) {
    handle.focus({ preventScroll: true });
    const [was, place] = moments[at];
    let moved = false;
    follow(event, (later) => {
      moved = moved || far(later);
      const [u, v] = spotAt(later);
      if (moved) setMoment(at, was + u - time, place + v - x);
    });
  } else if (isPath()) drawStroke(event, far);
  else {
    const put = (spot) => { edit([[0, Math.round(spot[1])]], 0); layer.firstChild.focus({ preventScroll: true }); };
    if (!tapped) put([time, x]);
    follow(event, (later) => { if (!tapped || far(later)) put(spotAt(later)); });
  }
});
picture.addEventListener('click', (event) => {
  if (!tapped || off()) return;
  tapped = false;
  edit([[0, Math.round(spotAt(event)[1])]], 0);
});

/* A stroke is the path at its times; a click is a moment. */
function drawStroke(event, far) {
  const before = moments, stroke = new Map(), first = spotAt(event);
  let last = first;
  const add = (later) => {
    const ends = [last, spotAt(later)].sort((a, b) => a[0] - b[0]);
    for (let k = Math.ceil(ends[0][0] / step()); k <= ends[1][0] / step(); k++) {
      stroke.set(onGrid(k * step()), placeAt(ends, k * step()));
    }
    last = spotAt(later);
  };
  const rows = () => [...new Map([...[first, last].map(([time, x]) => [onGrid(time), x]), ...stroke])]
    .map(([time, x]) => [time, Math.round(x)]).sort((a, b) => a[0] - b[0]);
  let moved = false;
  follow(event, (later) => {
    moved = moved || far(later);
    if (!moved) return;
    add(later);
    edit(drawnOver(before, rows()), 0);
  }, () => {
    if (!moved) edit(putRow([...before], rows()[0], step() / 2, MOST_MOMENTS), 0);
    const at = moments.findIndex(([time]) => time === onGrid(last[0]));
    if (layer.children[at]) layer.children[at].focus({ preventScroll: true });
  });
}

layer.addEventListener('keydown', (event) => {
  const at = [...layer.children].indexOf(event.target), by = ARROWS[event.key];
  if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const [time, x] = moments[at], end = { Home: 0, End: FRAME }[event.key];
  if (by) {
    const [dx, dy] = by, size = event.shiftKey ? 1 : 4;
    if (isPath()) setMoment(at, time + dy * step(), x + dx * size);
    else setMoment(at, time, x + (dx || -dy) * size);
  } else if (end !== undefined) setMoment(at, time, end);
  else if (event.key === 'Delete' || event.key === 'Backspace') dropMoment(at);
  else return;
  event.preventDefault();
  event.stopPropagation();
});

button('add').onclick = addMoment;
button('drop').onclick = () => dropMoment(chosen);
button('reset').onclick = () => { say = ''; people = 0; strengths = {}; edit([], 0); };

const home = root.closest('[id^="savg-"]').id;
window.savgStages = { ...window.savgStages, [home]: { text,
  state: () => ({ off: off(), say, people, moments, chosen, strengths, refusal: shown.refusal, note: part('note').textContent }) } };
watch('value', apply);
apply();
