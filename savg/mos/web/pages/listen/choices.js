/* A row of answers, one of which can be chosen: real radio buttons, so that arrow keys and screen
   readers work; number keys choose as well. Locking and choosing do not change any size. */

import { make } from './dom.js';

let groups = 0;

/** Answers from `entries` [{value, label, mark}]; `mark` is the number or sign above the label. */
export function choiceRow(title, entries, onChange, kind = '') {
  groups += 1;
  const name = 'choice-' + groups;
  const inputs = entries.map(({ value }, i) => make('input', {
    type: 'radio', name, value, id: name + '-' + i, onchange: () => chosen(i),
  }));
  const labels = entries.map(({ label, mark }, i) => make('label', { for: name + '-' + i }, inputs[i],
    make('span', { class: 'mark', 'aria-hidden': 'true' }, mark),
    make('span', { class: 'words' }, label)));
  const longest = Math.max(...entries.map(({ label }) => longestWord(label)));
  const short = longest <= 9 && entries.length <= 5;
  const node = make('fieldset', {
    class: 'choices ' + kind, 'data-fit': short ? 'short' : 'long',
  }, make('legend', { class: 'spoken' }, title), labels);
  node.style.setProperty('--number', entries.length);

  function mark() {
    for (const [i, label] of labels.entries()) label.classList.toggle('chosen', inputs[i].checked);
  }

  function chosen(i) {
    mark();
    onChange(entries[i].value);
  }

  const row = {
    node,
    get value() {
      const i = inputs.findIndex((input) => input.checked);
      return i < 0 ? null : entries[i].value;
    },
    lock(locked) {
      if (node.disabled !== locked) node.disabled = locked;
    },
    clear() {
      for (const input of inputs) input.checked = false;
      mark();
    },
    choose(i) {
      if (node.disabled || !inputs[i]) return;
      inputs[i].checked = true;
      inputs[i].focus({ preventScroll: true });
      chosen(i);
    },
    /** One to the left or right; where nothing is chosen, a scale begins in its middle. */
    step(by) {
      const now = inputs.findIndex((input) => input.checked), most = inputs.length - 1;
      const outmost = by < 0 ? 0 : most;
      const next = now >= 0 ? now + by : kind === 'scale' ? Math.floor(most / 2) : outmost;
      row.choose(Math.max(0, Math.min(most, next)));
    },
    /** Point out an answer, or none, while its sound is played. */
    point(i) {
      for (const [k, label] of labels.entries()) label.classList.toggle('now', k === i);
    },
  };
  return row;
}

function longestWord(label) {
  return Math.max(...label.split(/\s+/).map((word) => word.length));
}

/** Keys of a page with a choice: numbers choose, arrows move, space plays, Enter goes on. A control
    that has the focus keeps the keys it needs. Returns a function that ends it. */
export function choiceKeys(row, { play, go }) {
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const { target, key } = event;
    if (target.closest('textarea, select, a, input:not([type=radio])')) return;
    const onButton = target.closest('button'), onRadio = target.matches('input[type=radio]');
    const number = key >= '1' && key <= '9' ? Number(key) : key === '0' ? 10 : 0;
    if (number) row.choose(number - 1);
    else if (key === ' ' && !onButton && !(onRadio && !target.checked)) play();
    else if (key === 'Enter' && !onButton) go();
    else if ((key === 'ArrowLeft' || key === 'ArrowRight') && !onRadio) row.step(key === 'ArrowLeft' ? -1 : 1);
    else return;
    event.preventDefault();
  }
  document.addEventListener('keydown', onKey);
  return () => document.removeEventListener('keydown', onKey);
}
