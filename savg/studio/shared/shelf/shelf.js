/* Clips to choose from. `cards` play in place with their overlay and score, those of a pair beside each
   other; `strip` is a row of small images. Titles are text of visitors, and go in as text only. */

const root = element.querySelector('.sv');
const list = root.querySelector('.sv-list');
const cards = new Map(), pairs = new Map();
const overlay = root.querySelector('.sv-overlay');
let drawn = true;

function stopOthers(video) {
  for (const other of document.querySelectorAll('.sv video, .sp video')) if (other !== video) other.pause();
}

function badge(clip) {
  if (clip.tp === null || clip.tp === undefined) return '';
  if (!(clip.tp + clip.fn)) return 'no score: no sound event was detected';
  if (clip.found === false) return 'no score: nobody was detected';
  const apart = clip.distance && clip.distance.px !== null
    ? '  ·  ' + Math.round(clip.distance.px) + ' px (' + clip.distance.degrees.toFixed(1) + '°) apart' : '';
  return 'Spatial AV-Align ' + clip.score.toFixed(2) + '  ·  ' + clip.tp + ' TP, ' + clip.fn + ' FN' + apart;
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

/* The overlay of a card: the annotation is fetched when the card is made, and drawn frame by frame. */
function createOverlay(clip, video, stage) {
  const canvas = make('canvas', { 'aria-hidden': 'true' });
  stage.append(canvas);
  const layers = { boxes: true, bands: true, labels: true };
  let annotation = null, time = 0;
  function draw() {
    if (!annotation) return;
    const { format } = annotation;
    if (drawn) drawOverlay(canvas, annotation, clip.crop, frameAt(time, format),
                           eventFrameAt(video.currentTime, format), layers);
    else canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
  }
  const exact = Boolean(video.requestVideoFrameCallback);
  function onFrame(now, metadata) {
    time = metadata.mediaTime;
    draw();
    video.requestVideoFrameCallback(onFrame);
  }
  if (exact) video.requestVideoFrameCallback(onFrame);
  /* Sound events change between frames too. */
  function follow() {
    if (!exact) time = video.currentTime;
    draw();
    if (!video.paused) requestAnimationFrame(follow);
  }
  video.addEventListener('play', follow);
  new ResizeObserver(draw).observe(stage);
  if (clip.annotation) {
    fetch(mediaUrl(clip.annotation)).then((answer) => answer.json())
      .then((found) => { annotation = found; draw(); }).catch(() => {});
  }
  return { draw, shown: () => Boolean(annotation) && drawn };
}

function card(clip) {
  const video = make('video', { playsinline: '', loop: '', preload: 'auto', src: mediaUrl(clip.video),
                                poster: '', tabindex: '-1' });
  video.style.setProperty('--shift', (100 * clip.crop.top / clip.crop.size) + '%');
  const stage = make('button', { type: 'button', class: 'sv-stage', 'aria-label': 'Play ' + clip.title });
  stage.style.setProperty('--ratio', clip.crop.size + ' / ' + (clip.crop.bottom - clip.crop.top));
  stage.append(video);
  const layer = createOverlay(clip, video, stage);
  stage.append(make('span', { class: 'sv-play', 'aria-hidden': 'true' }));
  stage.onclick = () => { if (video.paused) video.play(); else video.pause(); };
  const note = () => {
    stage.classList.toggle('sv-playing', !video.paused);
    stage.setAttribute('aria-label', (video.paused ? 'Play ' : 'Pause ') + clip.title);
  };
  video.addEventListener('play', () => { stopOthers(video); note(); });
  video.addEventListener('pause', note);
  new IntersectionObserver(() => { if (!stage.offsetParent) video.pause(); }).observe(stage);
  const inspect = make('button', { type: 'button', class: 'sv-action sv-main', 'data-id': clip.id,
                                   'aria-label': 'Inspect ' + clip.title }, 'Inspect');
  inspect.onclick = () => { video.pause(); trigger('select', { id: clip.id }); };
  const save = make('a', { class: 'sv-action', href: mediaUrl(clip.video), download: clip.file,
                           'aria-label': 'Download ' + clip.title }, 'Download');
  const score = make('p', { class: 'sv-badge' });
  const node = make('article', { class: 'sv-card', role: 'listitem', 'data-id': clip.id,
                                 'aria-label': clip.title }, stage,
    make('div', { class: 'sv-about' }, make('h4', {}, clip.title),
         make('p', { class: 'sv-origin' }, clip.origin), score),
    make('div', { class: 'sv-actions' }, inspect, save));
  return { node, video, score, layer };
}

function fill(score, clip) {
  const words = badge(clip);
  score.replaceChildren();
  if (!words) return;
  score.append(make('span', {}, words));
  if (clip.tp + clip.fn && clip.found !== false) {
    const meter = make('span', { class: 'sv-meter', 'aria-hidden': 'true' }, make('i', {}));
    meter.firstChild.style.width = (100 * clip.score) + '%';
    score.append(meter);
  }
}

function show(value) {
  const { layout = 'strip', clips = [], selected = null, empty = '' } = value || {};
  root.dataset.layout = layout;
  root.querySelector('.sv-empty').textContent = clips.length ? '' : empty;
  if (layout === 'strip') {
    list.replaceChildren(...clips.map((clip) => strip(clip, selected)));
    return;
  }
  for (const [id, entry] of cards) {
    if (!clips.some((clip) => clip.id === id)) { entry.node.remove(); cards.delete(id); }
  }
  for (const [id, node] of pairs) {
    if (!clips.some((clip) => clip.pair === id)) { node.remove(); pairs.delete(id); }
  }
  const order = [];
  for (const clip of clips) {
    if (!cards.has(clip.id)) cards.set(clip.id, card(clip));
    const entry = cards.get(clip.id);
    fill(entry.score, clip);
    const node = clip.pair ? pairOf(clip) : entry.node;
    if (clip.pair) place(node, entry.node, clip.place);
    if (!order.includes(node)) order.push(node);
  }
  order.forEach((node, i) => {
    if (list.children[i] !== node) list.insertBefore(node, list.children[i] || null);
  });
  overlay.hidden = !clips.some((clip) => clip.annotation);
}

/* Clips of one seed by several pipelines lie in a row of their own. */
function pairOf(clip) {
  if (!pairs.has(clip.pair)) {
    pairs.set(clip.pair, make('div', { class: 'sv-pair', role: 'group', 'aria-label': 'Side by side, one seed' }));
  }
  return pairs.get(clip.pair);
}

function place(row, node, at) {
  node.style.order = at;
  if (node.parentElement === row) return;
  const after = [...row.children].find((other) => Number(other.style.order) > at);
  row.insertBefore(node, after || null);
}

overlay.onclick = () => {
  drawn = !drawn;
  overlay.setAttribute('aria-pressed', String(drawn));
  for (const entry of cards.values()) entry.layer.draw();
};
const home = root.closest('[id^="savg-"]').id;
window.savgShelves = { ...window.savgShelves,
  [home]: () => [...cards].map(([id, entry]) => ({ id, overlay: entry.layer.shown() })) };

watch('value', () => show(props.value));
show(props.value);
