/* An image of what is becoming, a bar, and a sentence. */

const root = element.querySelector('.sg');
const image = root.querySelector('img');
const bar = root.querySelector('.sg-bar');

function show(value) {
  const { state = 'idle', share = 0, text = '', hint = '', preview = null, ready = false } = value || {};
  root.dataset.state = state;
  root.dataset.ready = String(ready);
  root.querySelector('.sg-text').textContent = text;
  root.querySelector('.sg-hint').textContent = preview ? '' : hint;
  image.hidden = !preview;
  if (preview) image.src = preview;
  const percent = Math.round(100 * share);
  bar.setAttribute('aria-valuenow', percent);
  bar.firstElementChild.style.width = percent + '%';
}

watch('value', () => show(props.value));
show(props.value);
