/* One player in `element`; `start.js` lets tests and other code ask what is on screen. */

const ICONS = {
  play: 'M7 5v14l12-7z', pause: 'M7 5h4v14H7zM14 5h4v14h-4z',
  back: 'M6 5h2.6v14H6zM20 5v14L9.6 12z', forward: 'M15.4 5H18v14h-2.6zM4 5l10.4 7L4 19z',
  loop: 'M17 4l4 3.5-4 3.5V8.7H8A3.3 3.3 0 0 0 4.700 12H2.500A5.500 5.500 0 0 1 8 6.500h9zM7 20l-4-3.500L7 13v2.300h9a3.300 3.300 0 0 0 3.300-3.300h2.200A5.500 5.500 0 0 1 16 17.500H7z',
  audible: 'M4 9v6h4l5 4.500v-15L8 9zM15.500 8.200a5 5 0 0 1 0 7.600l1.200 1.500a7 7 0 0 0 0-10.600z',
  muted: 'M4 9v6h4l5 4.500v-15L8 9zM15 9.500l1.400-1.400 2.100 2.100 2.100-2.100L22 9.500 19.900 11.600 22 13.700l-1.400 1.400-2.100-2.100-2.100 2.100L15 13.700l2.100-2.100z',
};

function setIcon(button, name) {
  if (button.dataset.icon === name) return;
  button.dataset.icon = name;
  button.innerHTML = '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="' + ICONS[name] + '"/></svg>';
}

const part = (name) => root.querySelector('[data-is="' + name + '"]');
const root = element.querySelector('.sp');
const stage = root.querySelector('.sp-stage');
const video = stage.querySelector('video');
const canvas = stage.querySelector('canvas');
const buttons = (name) => [...root.querySelectorAll('[data-do="' + name + '"]')];
const meters = createMeters(video, root);
const layers = { boxes: true, bands: true, labels: true };
const EPSILON = 0.001;
/* Width of the frame whose pixels the tables have, for clips that are not annotated yet. */
const TABLES = 256;

let clip = null, annotation = null, strip = buildStrip(root.querySelector('.sp-strip'), null);
let mediaTime = 0, drawn = { boxes: [], bands: [] }, levels = { left: -60, right: -60, source: 'annotation' };
let frame = 0, eventFrame = 0;

function show(value) {
  const next = value && value.video ? value : null;
  const same = next && clip && next.id === clip.id;
  clip = next;
  annotation = clip ? clip.annotation : null;
  root.classList.toggle('sp-has-clip', Boolean(clip));
  showScore(part, clip);
  showDownloads(part, clip);
  strip = buildStrip(root.querySelector('.sp-strip'), annotation, (k) => seek(k / annotation.format.label_fps));
  if (annotation) {
    for (const [name, colour] of Object.entries(annotation.colors)) {
      root.style.setProperty('--' + name.replace('_', '-'), colour);
    }
    part('seek').max = annotation.format.seconds;
  }
  if (clip) {
    const size = annotation ? annotation.format.size : TABLES, { top, bottom } = clip.crop;
    stage.style.setProperty('--ratio', size + ' / ' + (bottom - top));
    stage.style.setProperty('--shift', (100 * top / size) + '%');
  }
  if (!clip) {
    video.pause();
    video.removeAttribute('src');
    video.load();
  } else if (!same) {
    video.src = mediaUrl(clip.video);
    root.classList.remove('sp-started');
    mediaTime = 0;
    video.loop = buttons('loop')[0].getAttribute('aria-pressed') === 'true';
    video.playbackRate = Number(part('speed').value);
    if (clip.autoplay) playWhenShown();
  }
  refresh();
}

function duration() {
  return annotation ? annotation.format.seconds : video.duration || 0;
}

function seek(time) {
  if (!annotation) return;
  root.classList.add('sp-started');
  video.currentTime = Math.max(0, Math.min(duration() - EPSILON, time + EPSILON));
  refresh();
}

/* A step goes to the start of the neighbouring frame, so that it never lands between two. */
function step(by) {
  if (!annotation) return;
  video.pause();
  const next = Math.max(0, Math.min(annotation.format.frames - 1, frame + by));
  seek(next / annotation.format.fps);
}

function nudge(seconds) {
  if (!annotation) return;
  const rate = annotation.format.label_fps;
  if (Math.abs(seconds) < 1) {
    video.pause();
    seek((eventFrame + Math.round(seconds * rate)) / rate);
  } else {
    seek(video.currentTime - EPSILON + seconds);
  }
}

function play() {
  meters.connect();
  const started = video.play();
  if (started) started.catch(() => refresh());
}

/* A player that is not on screen does not play; one that is about to be waits a moment. */
function playWhenShown(tries = 120) {
  if (root.offsetParent) play();
  else if (tries) requestAnimationFrame(() => playWhenShown(tries - 1));
}

function toggle() {
  if (!clip) return;
  if (video.paused) play(); else video.pause();
}

function nextMiss() {
  if (!annotation) return;
  const missed = annotation.events.filter((e) => !e.matched).map((e) => e.frame).sort((a, b) => a - b);
  if (!missed.length) return;
  const after = missed.find((k) => k > eventFrame);
  seek((after === undefined ? missed[0] : after) / annotation.format.label_fps);
}

function setLayer(name, on) {
  layers[name] = on;
  root.querySelector('[data-layer="' + name + '"]').setAttribute('aria-pressed', String(on));
  refresh();
}

function setLoop(on) {
  video.loop = on;
  buttons('loop')[0].setAttribute('aria-pressed', String(on));
}

function setVolume(volume) {
  video.volume = Math.max(0, Math.min(1, volume));
  video.muted = false;
  part('volume').value = video.volume;
}

function changeSpeed(by) {
  const choice = part('speed');
  choice.selectedIndex = Math.max(0, Math.min(choice.options.length - 1, choice.selectedIndex + by));
  video.playbackRate = Number(choice.value);
}

function refresh() {
  const time = video.currentTime || 0;
  for (const button of buttons('toggle')) {
    setIcon(button, video.paused ? 'play' : 'pause');
    button.setAttribute('aria-label', video.paused ? 'Play' : 'Pause');
  }
  root.classList.toggle('sp-playing', !video.paused);
  setIcon(buttons('mute')[0], video.muted || !video.volume ? 'muted' : 'audible');
  buttons('mute')[0].setAttribute('aria-pressed', String(video.muted));
  for (const button of root.querySelectorAll('.sp-controls button, .sp-controls input, .sp-controls select, .sp-seek input')) {
    button.disabled = !clip;
  }
  part('time').textContent = time.toFixed(2) + ' / ' + duration().toFixed(2) + ' s';
  if (document.activeElement !== part('seek') || video.paused === false) part('seek').value = time;
  part('seek').style.setProperty('--at', duration() ? time / duration() : 0);
  if (!annotation) {
    canvas.getContext('2d').clearRect(0, 0, canvas.width, canvas.height);
    drawn = { boxes: [], bands: [] };
    levels = meters.show(null, 0);
    showNow(part, null);
    return;
  }
  frame = frameAt(mediaTime, annotation.format);
  eventFrame = eventFrameAt(time, annotation.format);
  drawn = drawOverlay(canvas, annotation, clip.crop, frame, eventFrame, layers);
  strip.mark(eventFrame);
  levels = meters.show(annotation, time);
  showNow(part, annotation, drawn, frame, time);
  movePlayhead(time, duration());
}

/* The frame on screen tells its own time; only browsers that cannot are asked for currentTime. */
if (video.requestVideoFrameCallback) {
  const onFrame = (now, metadata) => {
    mediaTime = metadata.mediaTime;
    refresh();
    video.requestVideoFrameCallback(onFrame);
  };
  video.requestVideoFrameCallback(onFrame);
} else {
  video.addEventListener('timeupdate', () => { mediaTime = video.currentTime; refresh(); });
  video.addEventListener('seeked', () => { mediaTime = video.currentTime; refresh(); });
}
let ticking = false;
function tick() {
  if (!video.requestVideoFrameCallback) mediaTime = video.currentTime;
  if (!root.offsetParent) video.pause();
  refresh();
  ticking = !video.paused;
  if (ticking) requestAnimationFrame(tick);
}
video.addEventListener('play', () => {
  root.classList.add('sp-started');
  for (const other of document.querySelectorAll('.sv video')) other.pause();
  if (!ticking) { ticking = true; tick(); }
});
for (const name of ['pause', 'seeked', 'ended', 'volumechange', 'loadeddata']) {
  video.addEventListener(name, refresh);
}
video.addEventListener('error', () => {
  if (clip) part('now').textContent = 'This browser could not play the clip; the download still works.';
});
new ResizeObserver(refresh).observe(stage);

for (const name of ['back', 'forward', 'loop']) setIcon(buttons(name)[0], name);
const actions = {
  toggle, back: () => step(-1), forward: () => step(1),
  loop: () => setLoop(!video.loop), mute: () => { video.muted = !video.muted; },
};
root.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!clip || (!button && !stage.contains(event.target))) return;
  if (!button) toggle();
  else if (button.dataset.do) actions[button.dataset.do]();
  else if (button.dataset.layer) setLayer(button.dataset.layer, !layers[button.dataset.layer]);
});
part('seek').addEventListener('input', (event) => seek(Number(event.target.value) - EPSILON));
part('volume').addEventListener('input', (event) => setVolume(Number(event.target.value)));
part('speed').addEventListener('change', () => changeSpeed(0));
