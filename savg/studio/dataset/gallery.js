/* A page of a dataset's clips. Names are text of files, and go in as text only. */

const root = element.querySelector('.sb');
const grid = root.querySelector('.sb-grid');
const number = root.querySelector('.sb-goto input');
let shown = { page: 0, pages: 0 };

function tile(clip, selected) {
  const button = make('button', { type: 'button', class: 'sb-tile', 'data-name': clip.name,
                                  'aria-pressed': String(clip.name === selected), title: clip.name });
  const image = make('span', { class: 'sb-image' });
  if (clip.image) image.append(make('img', { alt: '', src: clip.image }));
  else image.append(make('span', { class: 'sb-broken' }, 'no image'));
  if (clip.x !== null) {
    const mark = make('i', { class: 'sb-mark', 'data-category': clip.category || 'unknown' });
    mark.style.left = (100 * Math.max(0.03, Math.min(0.97, clip.x))) + '%';
    image.append(mark);
  }
  button.append(image, make('span', { class: 'sb-name' }, clip.title),
                make('span', { class: 'sb-note' }, clip.note),
                make('span', { class: 'sb-unseen' }, clip.category || 'unknown sound'));
  button.onclick = () => {
    select(clip.name);
    trigger('select', { name: clip.name });
    const player = document.getElementById('savg-sample');
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    if (player) player.scrollIntoView({ behavior: calm ? 'auto' : 'smooth', block: 'nearest' });
  };
  return make('div', { role: 'listitem', class: 'sb-item' }, button);
}

function select(name) {
  for (const button of grid.querySelectorAll('.sb-tile')) {
    button.setAttribute('aria-pressed', String(button.dataset.name === name));
  }
}

function go(page) {
  const target = Math.max(0, Math.min(shown.pages - 1, page));
  if (target === shown.page) { number.value = shown.page + 1; return; }
  root.classList.add('sb-busy');
  trigger('select', { page: target });
}

function show(value) {
  if (!value) return;
  const same = value.clips.map((c) => c.name).join() === (shown.clips || []).map((c) => c.name).join();
  shown = value;
  root.classList.remove('sb-busy');
  root.querySelector('.sb-count').textContent = value.words;
  root.querySelector('.sb-empty').textContent = value.clips.length ? '' : value.empty;
  root.querySelector('.sb-pages').hidden = value.pages < 2;
  root.querySelector('.sb-of').textContent = 'of ' + value.pages.toLocaleString('en');
  number.value = value.page + 1;
  number.max = value.pages;
  for (const button of root.querySelectorAll('.sb-page')) {
    const back = button.dataset.page === 'first' || button.dataset.page === 'previous';
    button.disabled = back ? value.page === 0 : value.page >= value.pages - 1;
  }
  if (same) select(value.selected);
  else grid.replaceChildren(...value.clips.map((clip) => tile(clip, value.selected)));
}

root.querySelector('.sb-pages').addEventListener('click', (event) => {
  const button = event.target.closest('.sb-page');
  if (!button) return;
  go({ first: 0, previous: shown.page - 1, next: shown.page + 1, last: shown.pages - 1 }[button.dataset.page]);
});
number.addEventListener('change', () => go((Number(number.value) || 1) - 1));

/* The arrow keys go from clip to clip, Page Up and Page Down from page to page. */
grid.addEventListener('keydown', (event) => {
  const tiles = [...grid.querySelectorAll('.sb-tile')], at = tiles.indexOf(document.activeElement);
  if (at < 0) return;
  const row = tiles.filter((t) => t.offsetTop === tiles[0].offsetTop).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row }[event.key];
  const pages = { PageUp: -1, PageDown: 1 }[event.key];
  if (!step && !pages) return;
  event.preventDefault();
  event.stopPropagation();
  if (pages) go(shown.page + pages);
  else if (tiles[at + step]) tiles[at + step].focus();
});

/* Nothing is read before somebody looks. */
let arrived = false;
new IntersectionObserver((entries) => {
  if (arrived || !entries.some((entry) => entry.isIntersecting)) return;
  arrived = true;
  trigger('select', { arrived: true });
}).observe(root);
watch('value', () => show(props.value));
show(props.value);
