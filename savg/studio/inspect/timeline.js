/* The plotly timeline below the player: a click seeks, and a line follows the playing clip. Its
   horizontal axes are seconds. */

function timelinePlot() {
  const plot = document.querySelector('#savg-timeline .js-plotly-plot');
  return plot && plot._fullLayout && plot._fullLayout.xaxis ? plot : null;
}

/* The plot comes after the player, and comes again with another theme or size. */
const looking = setInterval(() => {
  if (!root.isConnected) clearInterval(looking);
  else if (annotation) movePlayhead(video.currentTime);
}, 400);

function movePlayhead(time) {
  const plot = timelinePlot();
  if (!plot) return;
  let line = plot.querySelector(':scope > .sp-playhead');
  if (!line) {
    line = make('div', { class: 'sp-playhead', 'aria-hidden': 'true' });
    plot.style.position = 'relative';
    plot.append(line);
  }
  const axis = plot._fullLayout.xaxis, size = plot._fullLayout._size;
  line.style.left = (axis._offset + axis.d2p(time)) + 'px';
  line.style.top = size.t + 'px';
  line.style.height = size.h + 'px';
}

document.addEventListener('click', (event) => {
  const plot = timelinePlot();
  if (!plot || !root.isConnected || !plot.contains(event.target)) return;
  if (event.target.closest('.legend, .modebar')) return;
  const axis = plot._fullLayout.xaxis;
  const time = axis.p2d(event.clientX - plot.getBoundingClientRect().left - axis._offset);
  if (time >= 0 && time <= duration()) seek(time - EPSILON);
}, true);
