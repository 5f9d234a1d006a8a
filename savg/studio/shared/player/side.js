/* The column beside the video: score, chance baselines, what is sounding now, downloads. All text goes in as
   text, never as markup. */

const BASELINES = [
  ['centre', 'every sound at the centre'],
  ['swapped', 'left and right swapped'],
  ['shuffled', 'sounds of the example clips'],
];

function showScore(part, clip) {
  const annotation = clip && clip.annotation;
  part('title').textContent = clip ? clip.title : 'Score';
  part('origin').textContent = clip ? clip.origin : '';
  const alignment = annotation ? annotation.alignment : { tp: 0, fn: 0, score: null };
  part('score').textContent = alignment.score === null ? '–' : alignment.score.toFixed(2);
  part('counts').textContent = !annotation ? ''
    : alignment.tp + alignment.fn ? alignment.tp + ' TP · ' + alignment.fn + ' FN'
      : 'no sound event was detected';
  const rows = [['this clip', alignment.score, 'sp-bar-own']];
  if (annotation) {
    for (const [key, words] of BASELINES) rows.push([words, annotation.nulls[key], '']);
  }
  part('bars').replaceChildren(...(annotation ? rows.map(bar) : []));
  part('detectors').textContent = annotation && annotation.detectors
    ? 'People: ' + annotation.detectors.persons + '. Sounds: ' + annotation.detectors.sounds + '.' : '';
}

function bar([words, score, kind]) {
  const known = score !== null && score !== undefined;
  const fill = make('i', {});
  fill.style.width = (known ? 100 * score : 0) + '%';
  return make('div', { class: 'sp-bar ' + kind },
    make('span', {}, words), make('span', { class: 'sp-track' }, fill),
    make('span', { class: 'sp-value' }, known ? score.toFixed(2) : '–'));
}

function showNow(part, annotation, drawn, frame, time) {
  if (!annotation) {
    part('now').textContent = '';
    return;
  }
  const side = (x) => {
    const offset = x - annotation.format.size / 2;
    return Math.abs(offset) < 12 ? 'centre' : offset < 0 ? 'left' : 'right';
  };
  const sounds = drawn.bands.map((e) => e.label + ' ' + side(e.x) + (e.matched ? ' (TP)' : ' (FN)'));
  part('now').textContent = 'Frame ' + (frame + 1) + ' of ' + annotation.format.frames + ': '
    + drawn.boxes.length + (drawn.boxes.length === 1 ? ' person' : ' people') + ', '
    + (sounds.length ? sounds.join(', ') : 'no sound');
}

function showDownloads(part, clip) {
  const links = clip && clip.downloads ? clip.downloads : [];
  part('downloads').replaceChildren(...links.map((link) => {
    if (!link.url) return make('span', { class: 'sp-link sp-pending' }, link.label + ' …');
    return make('a', { class: 'sp-link', href: mediaUrl(link.url), download: link.name }, link.label);
  }));
}
