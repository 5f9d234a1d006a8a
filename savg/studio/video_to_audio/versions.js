/* A video with its new audio and its own: one player, whose audio is switched while it plays. */

const showOne = show;
const still = make('canvas', { class: 'ss-still', 'aria-hidden': 'true' });
video.after(still);
const group = make('div', { class: 'ss-switch', role: 'group', 'aria-label': 'Audio to play' });
const level = make('p', { class: 'ss-level' });
root.querySelector('.sp-frame').after(group, level);
let result = null, version = 0;

show = (value) => {
  const next = value && value.versions ? value : null;
  const same = result && next && result.id === next.id;
  result = next;
  if (!same) version = 0;
  showVersion();
};

function showVersion() {
  showOne(result ? result.versions[version] : null);
  meters.quieten(result ? result.versions[version].quieter : 0);
  const versions = result ? result.versions : [];
  if (group.dataset.result !== (result ? result.id : '')) {
    group.dataset.result = result ? result.id : '';
    group.replaceChildren(...versions.map((one, i) => {
      const { score, tp, fn } = one.annotation.alignment, apart = distanceWords(one.annotation.distance);
      const words = !isFound(one.annotation) ? countWords(one.annotation)
        : score.toFixed(2) + ' · ' + tp + ' TP, ' + fn + ' FN' + (apart && ' · ' + apart + ' apart');
      const button = make('button', { type: 'button', class: 'ss-choice', title: 'Other audio (A)' },
        make('span', { class: 'ss-name' }, one.label), make('span', { class: 'ss-score' }, words));
      button.onclick = () => swap(i);
      return button;
    }));
    if (versions.length === 1) group.append(make('p', { class: 'ss-none' }, result.missing));
  }
  group.querySelectorAll('.ss-choice').forEach((button, i) => button.setAttribute('aria-pressed', String(i === version)));
  if (result) part('downloads').append(inspect);
  level.textContent = result ? result.level : '';
}

/* The frame on screen stays until the other file shows the same one. */
function hold() {
  const side = Math.max(1, Math.round(video.getBoundingClientRect().width * (window.devicePixelRatio || 1)));
  still.width = still.height = side;
  const scale = Math.min(side / (video.videoWidth || side), side / (video.videoHeight || side));
  const width = video.videoWidth * scale, height = video.videoHeight * scale;
  still.getContext('2d').drawImage(video, (side - width) / 2, (side - height) / 2, width, height);
  still.classList.add('ss-held');
}

function swap(to) {
  if (!result || to === version || !result.versions[to]) return;
  const time = video.currentTime, playing = !video.paused, began = root.classList.contains('sp-started');
  if (video.readyState >= 2) hold();
  version = to;
  showVersion();
  root.classList.toggle('sp-started', began);
  mediaTime = time;
  refresh();
  video.addEventListener('loadedmetadata', () => {
    video.currentTime = time;
    video.addEventListener('seeked', () => still.classList.remove('ss-held'), { once: true });
    if (playing) play();
  }, { once: true });
}

const inspect = make('button', { type: 'button', class: 'sp-link ss-inspect' }, 'Open in Inspect');
inspect.onclick = () => { video.pause(); trigger('select', { inspect: result.versions[version].id }); };

KEYS.a = () => swap(1 - version);
const line = make('div', {}, make('dt', {}, make('kbd', {}, 'A')), make('dd', {}, 'other audio: new or its own'));
root.querySelector('.sp-help dl').append(line);
root.querySelector('.sp-empty').replaceChildren(
  make('p', { class: 'sp-empty-title' }, 'No audio made yet'),
  make('p', {}, 'Choose a video above and make audio for it.'));
