/* Boxes over a video and an envelope below it, drawn by pointer, finger or keys. `window.savgSteers` has
   what is drawn, by the component's id; `text()` is what goes to the studio with "Make audio". */

const root = element.querySelector('.steer');
const part = (name) => root.querySelector('[data-is="' + name + '"]');
const button = (name) => root.querySelector('[data-do="' + name + '"]');
const stage = part('stage'), layer = part('layer'), video = stage.querySelector('video');
const ICONS = {
  play: '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M7 5v14l12-7z"/></svg>',
  pause: '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M7 5h4v14H7zM14 5h4v14h-4z"/></svg>',
};

let shown = null, who = 1, rows = [], drawing = false, seekTo = null;
const ready = () => Boolean(shown && shown.state === 'ready');
const seconds = () => (shown && shown.seconds) || 1;
const now = () => clamp(seekTo === null ? video.currentTime || 0 : seekTo, 0, seconds());
const track = () => (typeof who === 'number' && shown && shown.people ? shown.people[who - 1] || [] : []);
const current = () => (who === 'drawn' ? boxAt(rows, now(), true) : boxAt(track(), now(), false));

function show(value) {
  const next = value && value.id ? value : null;
  const other = !shown || !next || next.id !== shown.id;
  const again = !other && ready() && next.state === 'ready' && next.detector === shown.detector;
  const source = shown && shown.url;
  shown = next;
  root.classList.toggle('steer-shown', Boolean(shown));
  root.classList.toggle('steer-ready', ready());
  root.classList.toggle('steer-only-where', Boolean(shown && !shown.steers));
  if (other) {
    rows = [];
    clearEnvelope();
    drawing = false;
    seekTo = null;
  }
  if (!shown) { video.pause(); video.removeAttribute('src'); video.load(); return; }
  if (!again && !rows.length) who = (shown.people || []).length ? shown.longest : 'drawn';
  if (who === 'nobody' && !shown.steers) who = shown.longest;
  if (ready()) {
    const { top, bottom } = shown;
    stage.style.setProperty('--ratio', FRAME + ' / ' + (bottom - top));
    stage.style.setProperty('--shift', (100 * top / FRAME) + '%');
    if (source !== shown.url || !video.src) video.src = mediaUrl(shown.url);
    part('seek').max = seconds();
  } else if (other) {
    video.removeAttribute('src');
    video.load();
  }
  chooseEnvelope(other);
  refresh();
}

function choose(next) {
  who = next;
  if (who === 'drawn' && !rows.length) startDrawing();
  else { drawing = false; refresh(); }
}

function startDrawing() {
  drawing = true;
  video.pause();
  refresh();
}

/* Keep a box at the moment on screen; a person's box that is moved begins a drawing of its own. */
function keep(box, whole) {
  if (who !== 'drawn') rows = [];
  who = 'drawn';
  drawing = false;
  rows = putRow(rows, [round(now(), 2), ...within(box, whole)], SNAP, MOST_ROWS);
  refresh();
}

function dropBox() {
  const near = rows.reduce((best, row) => (!best || Math.abs(row[0] - now()) < Math.abs(best[0] - now()) ? row : best), null);
  rows = rows.filter((row) => row !== near);
  if (!rows.length) reset();
  else refresh();
}

function reset() {
  rows = [];
  drawing = false;
  who = (shown.people || []).length ? shown.longest : 'drawn';
  refresh();
}

function note() {
  const count = (shown.people || []).length;
  if (!ready()) return '';
  if (drawing) return 'Draw a box around what sounds: drag over the frame, or press Put it in the middle.';
  if (who === 'nobody') return 'The audio follows nobody.';
  if (who === 'drawn' && !rows.length) return count ? 'Draw a box around what sounds.'
    : 'Nobody was found in the video: draw a box around what sounds.';
  if (who === 'drawn' && rows.length === 1) return 'The audio stays at this box. Go to another moment and drag it to let it move.';
  if (who === 'drawn') return rows.length + ' drawn boxes; in between it moves straight on.';
  return (count === 1 ? 'One person was found.' : count + ' people were found.') + ' Drag the box to put the audio elsewhere.';
}

function refresh() {
  if (!shown) return;
  const people = (shown.people || []).map((_, i) => [i + 1, 'Person ' + (i + 1)]);
  const drawn = rows.length || !people.length ? [['drawn', 'Drawn box']] : [];
  chips(part('who'), ready() ? [...people, ...drawn, ...(shown.steers ? [['nobody', 'Nobody']] : [])] : [], who, choose);
  part('busy').hidden = ready();
  part('note').textContent = note();
  button('put').textContent = drawing ? 'Put it in the middle' : 'Draw a box';
  button('put').disabled = !ready();
  button('drop').disabled = !(who === 'drawn' && rows.length);
  button('reset').disabled = !(rows.length || drawing || who === 'nobody');
  stage.classList.toggle('steer-drawing', drawing);
  drawKeys();
  refreshMoment();
}

function drawKeys() {
  const home = part('keys');
  const states = JSON.stringify([rows.map((row) => row[0]), seconds()]);
  if (home.dataset.keys === states) return;
  home.dataset.keys = states;
  home.replaceChildren(...rows.map(([time]) => {
    const key = make('button', { type: 'button', class: 'steer-key', 'aria-label': 'Drawn box at ' + time.toFixed(2) + ' s', title: time.toFixed(2) + ' s' });
    key.style.left = (100 * time / seconds()) + '%';
    key.onclick = () => { choose('drawn'); seek(time); };
    return key;
  }));
}

/* What depends on the moment: boxes, clock, the line in the envelope. */
function refreshMoment() {
  if (!shown) return;
  const time = now(), box = ready() ? current() : null;
  const others = ready() ? shown.people.map((one, i) => [i + 1, boxAt(one, time, false)]) : [];
  placeBoxes(others.filter(([number, at]) => at && number !== who), box);
  part('side').textContent = box ? sideWords(box) : '';
  part('clock').textContent = time.toFixed(2) + ' / ' + seconds().toFixed(2) + ' s';
  if (document.activeElement !== part('seek') || !video.paused) part('seek').value = time;
  const toggle = button('play');
  const name = video.paused ? 'play' : 'pause';
  toggle.innerHTML = ICONS[name];
  toggle.setAttribute('aria-label', video.paused ? 'Play' : 'Pause');
  toggle.disabled = !ready();
  moveLine(time);
}

function place(node, box) {
  const { top, bottom } = shown, high = bottom - top;
  node.style.left = (100 * box[0] / FRAME) + '%';
  node.style.top = (100 * (box[1] - top) / high) + '%';
  node.style.width = (100 * (box[2] - box[0]) / FRAME) + '%';
  node.style.height = (100 * (box[3] - box[1]) / high) + '%';
}

/* Nodes stay while boxes move, so that a drag, the focus and a screen reader stay with them. */
function placeBoxes(others, box) {
  const numbers = others.map(([number]) => number).join();
  if (layer.dataset.others !== numbers) {
    layer.dataset.others = numbers;
    layer.querySelectorAll('.steer-other').forEach((node) => node.remove());
    layer.prepend(...others.map(([number]) => {
      const node = make('button', { type: 'button', class: 'steer-other', 'aria-label': 'Follow person ' + number },
        make('span', {}, String(number)));
      node.onclick = () => choose(number);
      return node;
    }));
  }
  const nodes = layer.querySelectorAll('.steer-other');
  others.forEach(([, at], i) => place(nodes[i], at));
  let own = layer.querySelector('.steer-box');
  if (!box) { if (own) own.remove(); return; }
  if (!own) {
    own = make('div', { class: 'steer-box', tabindex: '0', role: 'button', 'aria-roledescription': 'box that can be moved' },
      make('span', {}), ...['nw', 'ne', 'sw', 'se'].map((corner) => make('i', { class: 'steer-corner', 'data-corner': corner })));
    layer.append(own);
  }
  const name = who === 'drawn' ? 'Drawn box' : 'Person ' + who;
  own.firstChild.textContent = who === 'drawn' ? '✎' : who;
  own.setAttribute('aria-label', name + ', ' + sideWords(box)
    + '. Arrow keys move it, with Shift they change its size, Delete removes a drawn one.');
  place(own, box);
}

function seek(time) {
  seekTo = clamp(time, 0, seconds());
  video.currentTime = Math.min(seekTo, Math.max(0, seconds() - 0.001));
  refreshMoment();
}

/* Where a pointer is, in pixels of the frame. */
function pointAt(event) {
  const area = stage.getBoundingClientRect(), { top, bottom } = shown;
  return [(event.clientX - area.left) / area.width * FRAME,
          top + (event.clientY - area.top) / area.height * (bottom - top)];
}

stage.addEventListener('pointerdown', (event) => {
  if (!ready() || event.button || event.target.closest('.steer-other')) return;
  const own = event.target.closest('.steer-box'), corner = event.target.dataset.corner;
  if (!own && event.pointerType === 'touch' && !drawing) return;  // a finger scrolls the page
  const [x, y] = pointAt(event), before = own ? current() : null;
  video.pause();
  if (own) own.focus({ preventScroll: true });
  event.preventDefault();
  let moved = false;
  follow(event, (later) => {
    const [u, v] = pointAt(later);
    if (!moved && Math.hypot(u - x, v - y) < 2) return;
    moved = true;
    if (!own) return keep([x, y, u, v], false);
    const [x0, y0, x1, y1] = before, [dx, dy] = [u - x, v - y];
    if (!corner) return keep([x0 + dx, y0 + dy, x1 + dx, y1 + dy], true);
    const west = corner.includes('w'), north = corner.includes('n');
    return keep([west ? x0 + dx : x0, north ? y0 + dy : y0, west ? x1 : x1 + dx, north ? y1 : y1 + dy], false);
  });
});

layer.addEventListener('keydown', (event) => {
  if (!event.target.closest('.steer-box') || event.ctrlKey || event.metaKey || event.altKey) return;
  const by = ARROWS[event.key], box = current();
  if (by && box) {
    const [dx, dy] = by.map((v) => 4 * v), [x0, y0, x1, y1] = box;
    video.pause();
    keep(event.shiftKey ? [x0, y0, x1 + dx, y1 + dy] : [x0 + dx, y0 + dy, x1 + dx, y1 + dy], !event.shiftKey);
  } else if ((event.key === 'Delete' || event.key === 'Backspace') && who === 'drawn') dropBox();
  else return;
  event.preventDefault();
  event.stopPropagation();
});

button('put').onclick = () => {
  if (!drawing) return startDrawing();
  const { top, bottom } = shown, middle = (top + bottom) / 2, half = (bottom - top) / 4;
  keep([FRAME / 2 - half, middle - half, FRAME / 2 + half, middle + half], true);
  return layer.querySelector('.steer-box').focus();
};
button('drop').onclick = dropBox;
button('reset').onclick = reset;
button('play').onclick = () => { if (video.paused) { seekTo = null; video.play().catch(refreshMoment); } else video.pause(); };
part('seek').addEventListener('input', (event) => { video.pause(); seek(Number(event.target.value)); });

function tick() {
  if (!root.offsetParent) video.pause();
  refreshMoment();
  if (!video.paused) requestAnimationFrame(tick);
}
video.addEventListener('play', () => {
  for (const other of document.querySelectorAll('video')) if (other !== video) other.pause();
  seekTo = null;
  tick();
});
for (const name of ['pause', 'loadeddata', 'ended']) video.addEventListener(name, refreshMoment);
