/* The column beside the video: score, distance, chance baselines, what is sounding now, how far to trust
   it, how to make it again, downloads. All text goes in as text, never as markup. */

const BASELINES = [
  ['centre', 'chance baseline: centre'],
  ['swapped', 'chance baseline: swapped'],
  ['shuffled', 'chance baseline: shuffled'],
];
const MEANS = {
  centre: 'every sound at the centre of the frame', swapped: 'left and right swapped',
  shuffled: 'the sounds of the example clips',
};

/* A number that rests on nobody or on no sound is none. */
function isFound(annotation) {
  return annotation.alignment.score !== null && annotation.boxes.some((box) => box.category === 0);
}

function countWords(annotation) {
  const { tp, fn } = annotation.alignment;
  if (!(tp + fn)) return 'no score: no sound event was detected';
  if (!isFound(annotation)) return 'no score: nobody was detected';
  return tp + ' TP · ' + fn + ' FN';
}

/* Mean distance of sound and person in px and degrees, in words; empty where there is none. */
function distanceWords(distance) {
  if (!distance || distance.px === null || distance.px === undefined) return '';
  return Math.round(distance.px) + ' px (' + distance.degrees.toFixed(1) + '°)';
}

function showScore(part, clip) {
  const annotation = clip && clip.annotation;
  part('title').textContent = clip ? clip.title : 'Score';
  part('origin').textContent = clip ? clip.origin : '';
  const found = Boolean(annotation) && isFound(annotation);
  part('score').textContent = found ? annotation.alignment.score.toFixed(2) : '–';
  part('counts').textContent = annotation ? countWords(annotation)
    : clip ? 'Looking for people and sounds …' : '';
  const distance = found ? distanceWords(annotation.distance) : '';
  part('distance').textContent = distance && 'Sound and person are ' + distance + ' apart on average.';
  part('margin').textContent = annotation ? annotation.band.half_width : 40;
  const rows = [['this clip', found ? annotation.alignment.score : null, 'sp-bar-own', '']];
  if (found) {
    for (const [key, words] of BASELINES) rows.push([words, annotation.nulls[key], '', MEANS[key]]);
  }
  part('bars').replaceChildren(...(found ? rows.map(bar) : []));
  part('warnings').replaceChildren(...((annotation && annotation.warnings) || [])
    .map((words) => make('li', {}, words)));
  part('detectors').textContent = annotation && annotation.detectors
    ? 'Judged by – people: ' + annotation.detectors.persons + '; sounds: ' + annotation.detectors.sounds + '. '
      + (annotation.detectors.trust || '') : '';
  showAgain(part, clip);
}

function bar([words, score, kind, title]) {
  const known = score !== null && score !== undefined;
  const fill = make('i', {});
  fill.style.width = (known ? 100 * score : 0) + '%';
  return make('div', { class: 'sp-bar ' + kind, title },
    make('span', {}, words), make('span', { class: 'sp-track' }, fill),
    make('span', { class: 'sp-value' }, known ? score.toFixed(2) : '–'));
}

/* How the clip on screen is made again: its command line, and a link to the studio. */
function showAgain(part, clip) {
  const copies = [];
  if (clip && clip.command) copies.push(['Copy command', clip.command]);
  if (clip && clip.link) copies.push(['Copy link', new URL(clip.link, document.baseURI).href]);
  part('command').textContent = clip && clip.command ? clip.command : '';
  part('again').replaceChildren(...copies.map(([words, text]) => {
    const button = make('button', { type: 'button', class: 'sp-link', title: text }, words);
    button.onclick = async () => {
      try {
        await navigator.clipboard.writeText(text);
        button.textContent = 'Copied';
      } catch {
        part('command').textContent = text;
        window.getSelection().selectAllChildren(part('command'));
        button.textContent = 'Selected: Ctrl C';
      }
      setTimeout(() => { button.textContent = words; }, 2000);
    };
    return button;
  }));
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
