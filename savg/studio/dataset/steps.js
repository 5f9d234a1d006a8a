/* Previous and next, by button and key. */

function stepClip(by) {
  const button = root.querySelector('.sb-step[data-step="' + by + '"]');
  if (!clip || button.disabled || root.dataset.busy) return;
  root.dataset.busy = 'step';
  setTimeout(() => { delete root.dataset.busy; }, 4000);
  trigger('select', { step: by });
}
KEYS.n = () => stepClip(1);
KEYS.p = () => stepClip(-1);

for (const button of root.querySelectorAll('.sb-step')) {
  button.addEventListener('click', () => stepClip(Number(button.dataset.step)));
}
root.querySelector('.sp-empty').replaceChildren(
  make('p', { class: 'sp-empty-title' }, 'No clip open'), make('p', {}, 'Choose one from the images above.'));
for (const [layer, words, title] of [['bands', 'Labels', 'Labels (S)'], ['labels', 'Names', 'Names (T)']]) {
  const chip = root.querySelector('[data-layer="' + layer + '"]');
  chip.textContent = words;
  chip.title = title;
}
for (const row of root.querySelectorAll('.sp-help dl > div')) {
  const words = row.querySelector('dd');
  if (words.textContent.includes('false negative')) {
    row.querySelector('dt').replaceChildren(make('kbd', {}, 'P'), ' ', make('kbd', {}, 'N'));
    words.textContent = 'previous, next clip';
  } else if (words.textContent.startsWith('boxes')) {
    words.textContent = 'boxes, labels, names on or off';
  }
}
