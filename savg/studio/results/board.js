/* Headings, lines, tables and downloads. All words come from files, and go in as text only. */

const root = element.querySelector('.rb');
const part = (name) => root.querySelector('.rb-' + name);

const HASH = /\b([0-9a-f]{64})\b/;
const FOLDED = 3;  // lists of more items are folded

// A text in which hashes are shortened; the whole ones are titles.
function wordsOf(text) {
  return String(text).split(HASH).map((part, i) =>
    (i % 2 ? make('abbr', { title: part }, part.slice(0, 12)) : part));
}

function insideOf(cell) {
  if (!cell.items) return wordsOf(cell);
  if (cell.items.length === 1) return wordsOf(cell.items[0]);
  const list = make('ul', null, ...cell.items.map((item) => make('li', null, ...wordsOf(item))));
  if (cell.items.length <= FOLDED) return [list];
  return [make('details', null, make('summary', null, cell.items.length + ' ' + cell.what), list)];
}

function tableOf(table) {
  const head = make('tr', null, ...table.head.map((cell) => make('th', { scope: 'col' }, cell)));
  const rows = table.rows.map((row) => make('tr', row[0].startsWith('chance: ') ? { class: 'rb-null' } : null,
    ...row.map((cell, i) => (i ? make('td', null, ...insideOf(cell)) : make('th', { scope: 'row' }, cell)))));
  const caption = make('caption', null, table.caption);
  const whole = make('table', null, caption, make('thead', null, head), make('tbody', null, ...rows));
  const scroll = make('div', { class: 'rb-scroll', tabindex: '0', role: 'region',
                               'aria-label': table.caption }, whole);
  const wide = table.head.length > 2 ? ' rb-wide' : '';
  const words = table.words ? ' rb-words' : '';
  const figure = make('div', { class: 'rb-table' + wide + words }, scroll);
  if (table.how) figure.append(make('p', { class: 'rb-how' }, table.how));
  if (table.notes && table.notes.length) {
    figure.append(make('ul', { class: 'rb-list' }, ...table.notes.map((note) => make('li', null, note))));
  }
  return figure;
}

function show(value) {
  root.hidden = !value;
  if (!value) return;
  part('badge').textContent = value.badge;
  part('badge').hidden = !value.badge;
  root.querySelector('h3').textContent = value.title;
  root.querySelector('h3').hidden = !value.title;
  part('notes').replaceChildren(...value.notes.map((line) => make('li', null, line)));
  part('notes').hidden = !value.notes.length;
  part('lines').replaceChildren(...value.lines.map((line) => make('p', null, line)));
  part('tables').replaceChildren(...value.tables.map(tableOf));
  part('downloads').replaceChildren(...value.downloads.map((file) =>
    make('a', { href: mediaUrl(file.url), download: file.name }, file.label)));
  part('downloads').hidden = !value.downloads.length;
}

watch('value', () => show(props.value));
show(props.value);

const seen = new IntersectionObserver((entries) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  seen.disconnect();
  trigger('select', { arrived: true, dark: document.body.classList.contains('dark') });
});
seen.observe(element);
