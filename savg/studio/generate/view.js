/* The big view has no timeline below it; a click opens the clip in Inspect, which has one. */

function movePlayhead() {}
const showLinks = showDownloads;
showDownloads = (part, clip) => {
  showLinks(part, clip && { ...clip, downloads: clip.downloads.filter((link) => link.url) });
  if (!clip) return;
  const inspect = make('button', { type: 'button', class: 'sp-link sp-inspect' }, 'Open in Inspect');
  inspect.onclick = () => { video.pause(); trigger('select', { id: clip.id }); };
  part('downloads').prepend(inspect);
};

/* Where the sound was asked to be, in words and beside the bands of the sounds. */
const showScores = showScore;
showScore = (part, clip) => {
  showScores(part, clip);
  const told = part('distance').parentElement.querySelector('.sp-asked')
    || part('distance').insertAdjacentElement('afterend', make('p', { class: 'sp-asked' }));
  told.textContent = clip && clip.asked ? clip.asked.words : '';
};
const drawAll = drawOverlay;
drawOverlay = (canvas, annotation, crop, frame, eventFrame, layers) => {
  const drawn = drawAll(canvas, annotation, crop, frame, eventFrame, layers);
  if (!clip || !clip.asked || !layers.bands) return drawn;
  const context = canvas.getContext('2d'), view = makeView(canvas, annotation, crop);
  const { moments, seconds } = clip.asked, { label_fps: rate, size, seconds: long } = annotation.format;
  const x = view.x(placeAt(moments, (eventFrame + 0.5) / rate * seconds / long) * size / FRAME);
  const dash = [3 * view.ratio, 5 * view.ratio];
  drawUpright(context, view, x, dash, [[5, '#101418'], [2.5, '#ffd24a']]);
  if (layers.labels) drawTag(context, view, 'asked', x, 6 * view.ratio, '#ffd24a');
  return drawn;
};
