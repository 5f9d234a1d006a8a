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
