/* The envelope: the level of the video's own audio or of a file, or onsets that are set by clicks. */

const curve = part('curve'), canvas = curve.querySelector('canvas'), handles = part('onsets');
let from = '', onsets = [], ring = 0.5;

const levelAt = (y) => clamp(FLOOR * y, FLOOR, 0);
const recordings = () => (shown && shown.recordings) || [];

function clearEnvelope() {
  from = '';
  onsets = [];
}

function chooseEnvelope(other) {
  const known = ['drawn', 'none', ...recordings().map((one) => one.key)];
  if (ready() && shown.levels) known.push('own');
  if (other || !known.includes(from)) from = ready() && shown.levels ? 'own' : '';
  if (from === '' && recordings().length) from = recordings()[0].key;
  refreshEnvelope();
}

function setFrom(next) {
  from = next;
  refreshEnvelope();
}

function hint() {
  if (!ready()) return '';
  if (from === '') return 'This video has no audio of its own: click below to set onsets, or open an audio file.';
  if (from === 'own') return 'The new audio is as loud as the video’s own, moment by moment.';
  if (from === 'none') return 'The network decides how loud it is.';
  if (from !== 'drawn') return 'The new audio is as loud as this file, moment by moment.';
  if (!onsets.length) return 'Click to set an onset: further up is louder.';
  return 'Drag an onset in time and level; click it again to remove it.';
}

function refreshEnvelope() {
  if (!shown) return;
  const choices = [...(shown.levels ? [['own', 'The video’s own']] : []), ...recordings().map((one) => [one.key, one.name]),
    ['drawn', 'Drawn'], ['none', 'None']];
  chips(part('from'), ready() ? choices : [], from, setFrom);
  part('hint').textContent = hint();
  part('seconds').textContent = ring.toFixed(2) + ' s';
  root.querySelector('.steer-length').hidden = from !== 'drawn';
  button('clear').disabled = !onsets.length;
  button('add').disabled = !ready();
  curve.classList.toggle('steer-drawn', from === 'drawn');
  placeOnsets();
  paint();
}

function placeOnsets() {
  const count = from === 'drawn' ? onsets.length : 0;
  while (handles.children.length > count) handles.lastChild.remove();
  while (handles.children.length < count) handles.append(make('button', { type: 'button', class: 'steer-onset', role: 'slider', 'aria-valuemin': FLOOR, 'aria-valuemax': 0 }));
  for (let i = 0; i < count; i++) {
    const [time, level] = onsets[i], node = handles.children[i];
    node.style.left = (100 * time / seconds()) + '%';
    node.style.top = (100 * level / FLOOR) + '%';
    node.setAttribute('aria-valuenow', String(Math.round(level)));
    node.setAttribute('aria-valuetext', Math.round(level) + ' dB at ' + time.toFixed(2) + ' s');
    node.setAttribute('aria-label', 'Onset ' + (i + 1) + ' of ' + count + ': arrow keys move it, Delete removes it');
  }
}

/* Levels at equal distances over the whole video, of whatever is chosen. */
function levelsNow(count) {
  const times = Array.from({ length: count }, (_, i) => seconds() * i / (count - 1));
  if (from === 'drawn') return times.map((time) => drawnLevel(onsets, ring, time));
  const file = recordings().find((one) => one.key === from);
  const levels = from === 'own' ? shown.levels : file ? file.levels : null;
  if (!levels || !levels.length) return null;
  return times.map((time) => (time * shown.rate >= levels.length ? FLOOR : levels[Math.floor(time * shown.rate)]));
}

function paint() {
  const area = curve.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
  const width = Math.max(2, Math.round(area.width * ratio)), height = Math.max(2, Math.round(area.height * ratio));
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const pen = canvas.getContext('2d'), style = getComputedStyle(root);
  pen.clearRect(0, 0, width, height);
  if (!ready()) return;
  pen.strokeStyle = style.getPropertyValue('--steer-grid');
  pen.fillStyle = style.getPropertyValue('--steer-quiet');
  pen.font = 11 * ratio + 'px system-ui, sans-serif';
  pen.lineWidth = ratio;
  for (const level of [-20, -40]) {
    const y = height * level / FLOOR;
    pen.beginPath();
    pen.moveTo(0, y);
    pen.lineTo(width, y);
    pen.stroke();
    pen.fillText(level + ' dB', 5 * ratio, y - 4 * ratio);
  }
  const each = seconds() > 12 ? 5 : 1;
  for (let second = each; second < seconds(); second += each) {
    const x = width * second / seconds();
    pen.fillRect(x, height - 5 * ratio, ratio, 5 * ratio);
    pen.fillText(second + ' s', x + 3 * ratio, height - 4 * ratio);
  }
  const levels = levelsNow(Math.max(2, Math.round(width / ratio)));
  if (!levels) return;
  pen.beginPath();
  pen.moveTo(0, height);
  levels.forEach((level, i) => pen.lineTo(width * i / (levels.length - 1), height * level / FLOOR));
  pen.lineTo(width, height);
  pen.closePath();
  pen.fillStyle = style.getPropertyValue('--steer-fill');
  pen.fill();
  pen.strokeStyle = style.getPropertyValue('--steer-line');
  pen.lineWidth = 1.5 * ratio;
  pen.stroke();
}

function moveLine(time) {
  part('line').style.left = (100 * time / seconds()) + '%';
  const count = Math.max(2, Math.round(seconds() * 20)), levels = ready() ? levelsNow(count) : null;
  const level = levels ? levels[Math.min(count - 1, Math.round(time / seconds() * (count - 1)))] : null;
  part('level').textContent = level === null ? '' : level <= FLOOR ? 'silent' : Math.round(level) + ' dB';
}

function spotAt(event) {
  const area = curve.getBoundingClientRect();
  return [round(clamp((event.clientX - area.left) / area.width, 0, 1) * seconds(), 2),
          round(levelAt((event.clientY - area.top) / area.height), 1)];
}

/* No two onsets at one moment: the later one of a pair gives way. */
function setOnset(onset, time, level) {
  const taken = onsets.some((one) => one !== onset && Math.abs(one[0] - time) < 0.015);
  if (!taken) onset[0] = time;
  onset[1] = level;
  onsets.sort((a, b) => a[0] - b[0]);
  refreshEnvelope();
  refreshMoment();
}

function addOnset(time, level) {
  if (onsets.length >= MOST_ROWS || onsets.some((one) => Math.abs(one[0] - time) < 0.015)) return null;
  const onset = [time, level];
  from = 'drawn';
  onsets.push(onset);
  setOnset(onset, time, level);
  return onset;
}

function removeOnset(onset) {
  onsets = onsets.filter((one) => one !== onset);
  refreshEnvelope();
  refreshMoment();
}

curve.addEventListener('pointerdown', (event) => {
  if (!ready() || event.button) return;
  event.preventDefault();
  const node = event.target.closest('.steer-onset'), [time, level] = spotAt(event);
  const onset = node ? onsets[[...handles.children].indexOf(node)] : addOnset(time, level);
  if (!onset) return;
  const focus = () => { const at = handles.children[onsets.indexOf(onset)]; if (at) at.focus({ preventScroll: true }); };
  focus();
  let moved = false;
  follow(event, (later) => {
    const spot = spotAt(later);
    if (!moved && Math.hypot(later.clientX - event.clientX, later.clientY - event.clientY) < 3) return;
    moved = true;
    setOnset(onset, ...spot);
    focus();
  }, () => { if (node && !moved) removeOnset(onset); });
});

handles.addEventListener('keydown', (event) => {
  const onset = onsets[[...handles.children].indexOf(event.target)], by = ARROWS[event.key];
  if (!onset || event.ctrlKey || event.metaKey || event.altKey) return;
  if (by) {
    setOnset(onset, round(clamp(onset[0] + 0.05 * by[0], 0, seconds()), 2), clamp(onset[1] - by[1], FLOOR, 0));
    handles.children[onsets.indexOf(onset)].focus();
  } else if (event.key === 'Delete' || event.key === 'Backspace') {
    removeOnset(onset);
    (handles.firstChild || button('add')).focus();
  } else return;
  event.preventDefault();
  event.stopPropagation();
});

button('add').onclick = () => {
  const onset = addOnset(round(now(), 2), -20);
  if (onset) handles.children[onsets.indexOf(onset)].focus();
};
button('clear').onclick = () => { onsets = []; refreshEnvelope(); refreshMoment(); };
part('length').addEventListener('input', (event) => { ring = Number(event.target.value); refreshEnvelope(); refreshMoment(); });
new ResizeObserver(paint).observe(curve);

function drawingNow() {
  if (!ready()) return '';
  const person = who === 'nobody' ? 'none' : typeof who === 'number' ? who : 'longest';
  return JSON.stringify({ video: shown.id, person, boxes: who === 'drawn' ? rows : [], envelope: from, onsets, length: ring });
}

const home = root.closest('[id^="savg-"]').id;
window.savgSteers = { ...window.savgSteers, [home]: {
  text: drawingNow, seek,
  state: () => ({ ready: ready(), who, rows, from, onsets, time: now(), box: ready() ? current() : null,
                  note: part('note').textContent, hint: part('hint').textContent }),
} };
watch('value', () => show(props.value));
show(props.value);
