/* Presses a button once it is on the page and may be pressed: ten seconds at most. */
let last = null;

async function press({ target, once }) {
  if (!target || once === last) return;
  last = once;
  for (let tries = 0; tries < 100; tries++) {
    await new Promise((done) => setTimeout(done, 100));
    const button = document.querySelector(target);
    if (button && !button.disabled && button.offsetParent) {
      button.click();
      return;
    }
  }
}
watch('value', () => press(props.value || {}));
press(props.value || {});
