/* The strip of sound events: a row a category, a cell a tenth of a second. One cell is in the tab
   order; the arrow keys move along the strip. */

/* More cells than this do not fit beside each other, and the strip scrolls. */
const WIDE = 80;

function clipEventFrames(format) {
  return Math.max(1, Math.round(format.seconds * format.label_fps));
}

function buildStrip(root, annotation, onPick) {
  root.replaceChildren();
  if (!annotation) return { mark() {} };
  const count = clipEventFrames(annotation.format), rate = annotation.format.label_fps;
  const categories = [...new Set(annotation.events.map((e) => e.category))].sort();
  const cells = [];
  for (const category of categories.length ? categories : [0]) {
    const rows = annotation.events.filter((e) => e.category === category);
    const name = rows.length ? rows[0].label : 'no sound';
    const line = make('div', { class: 'sp-row', role: 'group', 'aria-label': name });
    line.style.setProperty('--cells', count);
    if (count > WIDE) line.style.width = (count * 8) + 'px';
    for (let k = 0; k < count; k++) {
      const here = rows.filter((e) => e.frame === k);
      const kind = !here.length ? 'none' : !judged(here[0]) ? 'label'
        : here.every((e) => e.matched) ? 'tp' : here.some((e) => e.matched) ? 'mixed' : 'fn';
      const words = { none: 'no sound', label: 'label', tp: 'true positive', fn: 'false negative',
                      mixed: 'true positive and false negative' }[kind];
      const where = here.map((e) => 'x ' + Math.round(e.x)).join(', ');
      const text = (k / rate).toFixed(1) + ' s: ' + (here.length ? name + ' at ' + where + ', ' : '')
        + words;
      const cell = make('button', { type: 'button', class: 'sp-cell sp-' + kind, tabindex: '-1',
                                       'data-frame': k, 'data-kind': kind, 'aria-label': text,
                                       title: text });
      cell.dataset.label = here.length ? name : '';
      cell.textContent = { none: '', label: category ? '◆' : '●', tp: '●', fn: '✕', mixed: '±' }[kind];
      cells.push(cell);
      line.append(cell);
    }
    root.append(make('div', { class: 'sp-line' }, make('span', { class: 'sp-name' }, name), line));
  }
  cells[0].tabIndex = 0;

  root.onclick = (event) => {
    const cell = event.target.closest('.sp-cell');
    if (cell) onPick(Number(cell.dataset.frame));
  };
  root.onkeydown = (event) => {
    const at = cells.indexOf(document.activeElement);
    const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -count, ArrowDown: count }[event.key];
    if (at < 0 || !step) return;
    event.preventDefault();
    event.stopPropagation();
    const next = cells[at + step];
    if (!next) return;
    cells[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    onPick(Number(next.dataset.frame));
  };

  let marked = [], shown = -1;
  function mark(frame) {
    for (const cell of marked) cell.removeAttribute('aria-current');
    marked = cells.filter((cell) => Number(cell.dataset.frame) === frame);
    for (const cell of marked) cell.setAttribute('aria-current', 'true');
    if (count > WIDE && marked.length && frame !== shown) {
      root.scrollLeft = marked[0].offsetLeft - root.clientWidth / 2;
    }
    shown = frame;
  }
  return { mark };
}
