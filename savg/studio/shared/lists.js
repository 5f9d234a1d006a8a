/* A drop-down list is closed when the keyboard leaves it. Gradio's handler takes every key but Escape for one
   that opens the list, Tab and the Shift before it too, and acts a moment later: after the blur that closed it.
   So keys that only leave are kept from it, and a list that opens without the focus is blurred once more. */
if (!window.savgLists) {
  window.savgLists = true;
  const LIST = 'input[role="combobox"]';
  const LEAVES = new Set(['Tab', 'Shift', 'Control', 'Alt', 'Meta']);
  window.addEventListener('keydown', (event) => {
    if (LEAVES.has(event.key) && event.target.matches?.(LIST)) event.stopPropagation();
  }, true);
  new MutationObserver((changes) => {
    for (const { target } of changes) {
      if (target.matches(`${LIST}[aria-expanded="true"]`) && target !== document.activeElement) {
        target.dispatchEvent(new FocusEvent('blur'));
      }
    }
  }).observe(document.body, { subtree: true, attributeFilter: ['aria-expanded'] });
}
