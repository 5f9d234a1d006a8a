/* Tab leaves a drop-down list and closes it. Gradio's own handler takes every key but Escape for one that
   opens the list, after which nothing closes it; the blur that follows does, once the key is kept from it. */
if (!window.savgLists) {
  window.savgLists = true;
  window.addEventListener('keydown', (event) => {
    if (event.key === 'Tab' && event.target.matches?.('input[role="combobox"]')) event.stopPropagation();
  }, true);
}
