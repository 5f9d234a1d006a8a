/* The column beside a dataset's clip: where it looks, what is known about it, its neighbours. All text
   goes in as text, never as markup. */

function showScore(part, clip) {
  part('title').textContent = clip ? clip.title : 'No clip open';
  part('origin').textContent = clip ? clip.origin : '';
  part('caption').textContent = clip ? clip.caption : '';
  part('panorama').hidden = !clip || !clip.panorama;
  if (clip && clip.panorama) part('panorama').src = clip.panorama;
  part('panorama').alt = clip ? clip.caption : '';
  part('facts').replaceChildren(...(clip ? clip.facts : []).map(([name, value]) =>
    make('div', {}, make('dt', {}, name), make('dd', {}, value))));
  const { at, of } = clip ? clip.place : { at: 0, of: 0 };
  part('place').textContent = !clip ? '' : at ? at.toLocaleString('en') + ' of ' + of.toLocaleString('en')
    : 'not among the ' + of.toLocaleString('en');
  for (const button of root.querySelectorAll('.sb-step')) {
    button.disabled = !clip || (Number(button.dataset.step) < 0 ? at <= 1 : at >= of);
  }
  const boxes = Boolean(clip && clip.judged);
  root.querySelector('.sb-judged').hidden = !boxes;
  root.querySelector('[data-layer="boxes"]').hidden = !boxes;
  if (clip) delete root.dataset.busy;
}

function showNow(part, annotation, drawn, frame, time) {
  const event = drawn && drawn.bands.length ? drawn.bands[0] : null;
  const dot = part('dot');
  dot.hidden = !event || !event.spot;
  if (event && event.spot) {
    dot.style.left = (100 * event.spot[0]) + '%';
    dot.style.top = (100 * event.spot[1]) + '%';
  }
  const words = { true: ', near a person', false: ', not near a person', null: '' };
  part('now').textContent = !annotation ? '' : 'Frame ' + (frame + 1) + ' of ' + annotation.format.frames
    + ': ' + (event ? drawn.bands.map((e) => e.label + ' at x ' + Math.round(e.x) + ', y '
      + Math.round(e.y - annotation.format.top) + words[e.matched]).join('; ') : 'no sound');
}

function showDownloads(part, clip) {
  const links = clip ? clip.downloads.map((link) =>
    make('a', { class: 'sp-link', href: mediaUrl(link.url), download: link.name }, link.label)) : [];
  if (clip) {
    const inspect = make('button', { type: 'button', class: 'sp-link sb-inspect' }, 'Open in Inspect');
    inspect.onclick = () => { video.pause(); trigger('select', { inspect: clip.id }); };
    links.push(inspect);
  }
  part('downloads').replaceChildren(...links);
}

function movePlayhead() {}
