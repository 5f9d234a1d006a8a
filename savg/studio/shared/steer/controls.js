/* What editors have in common: choices of one group, and pointers and keys that move things. */

/* Choices of one group; one is in the tab order, arrow keys go through them. */
function chips(home, choices, chosen, choose) {
  const states = JSON.stringify(choices);
  if (home.dataset.choices !== states) {
    home.dataset.choices = states;
    home.replaceChildren(...choices.map(([key, words]) => {
      const chip = make('button', { type: 'button', class: 'steer-chip', role: 'radio', 'data-key': String(key) }, words);
      chip.onclick = () => choose(key);
      return chip;
    }));
    home.onkeydown = (event) => {
      const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const all = [...home.children], at = all.indexOf(document.activeElement);
      if (!by || at < 0) return;
      event.preventDefault();
      event.stopPropagation();
      const next = all[(at + by + all.length) % all.length];
      next.focus();
      next.click();
    };
  }
  for (const chip of home.children) {
    const on = chip.dataset.key === String(chosen);
    chip.setAttribute('aria-checked', String(on));
    chip.tabIndex = on || (chosen === '' && chip === home.firstChild) ? 0 : -1;
  }
}

/* Call `move` for a pointer's moves until it is let go, then `end`. */
function follow(event, move, end) {
  const id = event.pointerId;
  const on = (later) => { if (later.pointerId === id) { later.preventDefault(); move(later); } };
  const off = (later) => {
    if (later.pointerId !== id) return;
    for (const name of ['pointerup', 'pointercancel']) window.removeEventListener(name, off);
    window.removeEventListener('pointermove', on);
    if (end) end();
  };
  window.addEventListener('pointermove', on);
  for (const name of ['pointerup', 'pointercancel']) window.addEventListener(name, off);
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
