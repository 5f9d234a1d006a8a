/* Keys work while the focus is in the player, or nowhere. A focused control keeps its own keys. */

const KEYS = {
  ' ': toggle, k: toggle, ',': () => step(-1), '.': () => step(1),
  ArrowLeft: () => nudge(-0.1), ArrowRight: () => nudge(0.1), j: () => nudge(-1), l: () => nudge(1),
  ArrowUp: () => setVolume(video.volume + 0.1), ArrowDown: () => setVolume(video.volume - 0.1),
  Home: () => seek(0), End: () => seek((annotation.format.frames - 1) / annotation.format.fps),
  n: nextMiss, m: () => actions.mute(), o: () => setLoop(!video.loop),
  '[': () => changeSpeed(-1), ']': () => changeSpeed(1),
  b: () => setLayer('boxes', !layers.boxes), s: () => setLayer('bands', !layers.bands),
  t: () => setLayer('labels', !layers.labels),
};

function ownsKey(target, key) {
  if (target.closest('textarea, select, [contenteditable]')) return true;
  const input = target.closest('input');
  if (input) return input.type !== 'range' || key.startsWith('Arrow') || key === 'Home' || key === 'End';
  return Boolean(target.closest('button, summary, a')) && (key === ' ' || key === 'Enter');
}

function onKey(event) {
  if (!root.isConnected) {
    document.removeEventListener('keydown', onKey);
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const target = event.target;
  const inside = root.contains(target) || target === document.body;
  if (!clip || !inside || !KEYS[key] || !root.offsetParent) return;
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || ownsKey(target, key)) return;
  event.preventDefault();
  KEYS[key]();
}
document.addEventListener('keydown', onKey);
