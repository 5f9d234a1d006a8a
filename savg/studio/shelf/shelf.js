/* Clips to choose from. `cards` play in place with their score; `strip` is a row of small pictures.
   Titles are text of visitors, and go in as text only. */

const root = element.querySelector('.sv');
const list = root.querySelector('.sv-list');
const cards = new Map();
let played = new Set();

function stopOthers(video) {
  for (const other of document.querySelectorAll('.sv video, .sp video')) if (other !== video) other.pause();
}

function badge(clip) {
  if (clip.tp === null || clip.tp === undefined) return '';
  if (!(clip.tp + clip.fn)) return 'no sound event';
  return 'Spatial AV-Align ' + clip.score.toFixed(2) + '  ·  ' + clip.tp + ' TP, ' + clip.fn + ' FN';
}

function strip(clip, selected) {
  const button = make('button', { type: 'button', class: 'sv-thumb', 'data-id': clip.id,
                                  'aria-pressed': String(clip.id === selected) });
  const image = make('img', { alt: '', src: mediaUrl(clip.poster) });
  button.append(image, make('span', { class: 'sv-name' }, clip.title),
                make('span', { class: 'sv-note' }, clip.origin));
  button.onclick = () => trigger('select', { id: clip.id });
  return make('div', { role: 'listitem', class: 'sv-item' }, button);
}

function card(clip) {
  const video = make('video', { playsinline: '', loop: '', preload: 'auto', src: mediaUrl(clip.video),
                                poster: '', tabindex: '-1' });
  video.style.setProperty('--shift', (100 * clip.crop.top / clip.crop.size) + '%');
  const stage = make('button', { type: 'button', class: 'sv-stage', 'aria-label': 'Play ' + clip.title });
  stage.style.setProperty('--ratio', clip.crop.size + ' / ' + (clip.crop.bottom - clip.crop.top));
  stage.append(video, make('span', { class: 'sv-play', 'aria-hidden': 'true' }));
  stage.onclick = () => { if (video.paused) video.play(); else video.pause(); };
  const note = () => {
    stage.classList.toggle('sv-playing', !video.paused);
    stage.setAttribute('aria-label', (video.paused ? 'Play ' : 'Pause ') + clip.title);
  };
  video.addEventListener('play', () => { stopOthers(video); note(); });
  video.addEventListener('pause', note);
  new IntersectionObserver(() => { if (!stage.offsetParent) video.pause(); }).observe(stage);
  const inspect = make('button', { type: 'button', class: 'sv-action sv-main', 'data-id': clip.id }, 'Inspect');
  inspect.onclick = () => { video.pause(); trigger('select', { id: clip.id }); };
  const save = make('a', { class: 'sv-action', href: mediaUrl(clip.video), download: clip.file }, 'Download');
  const score = make('p', { class: 'sv-badge' });
  const node = make('article', { class: 'sv-card', role: 'listitem', 'data-id': clip.id }, stage,
    make('div', { class: 'sv-about' }, make('h4', {}, clip.title), score),
    make('div', { class: 'sv-actions' }, inspect, save));
  return { node, video, score };
}

function fill(score, clip) {
  const words = badge(clip);
  score.replaceChildren();
  if (!words) return;
  score.append(make('span', {}, words));
  if (clip.tp + clip.fn) {
    const meter = make('span', { class: 'sv-meter', 'aria-hidden': 'true' }, make('i', {}));
    meter.firstChild.style.width = (100 * clip.score) + '%';
    score.append(meter);
  }
}

function show(value) {
  const { layout = 'strip', clips = [], selected = null, empty = '', autoplay = null } = value || {};
  root.dataset.layout = layout;
  root.querySelector('.sv-empty').textContent = clips.length ? '' : empty;
  if (layout === 'strip') {
    list.replaceChildren(...clips.map((clip) => strip(clip, selected)));
    return;
  }
  for (const [id, entry] of cards) {
    if (!clips.some((clip) => clip.id === id)) { entry.node.remove(); cards.delete(id); }
  }
  clips.forEach((clip, i) => {
    if (!cards.has(clip.id)) cards.set(clip.id, card(clip));
    const entry = cards.get(clip.id);
    if (list.children[i] !== entry.node) list.insertBefore(entry.node, list.children[i] || null);
    fill(entry.score, clip);
    if (clip.id === autoplay && !played.has(clip.id)) {
      played.add(clip.id);
      entry.video.play().catch(() => {});
    }
  });
}

watch('value', () => show(props.value));
show(props.value);
