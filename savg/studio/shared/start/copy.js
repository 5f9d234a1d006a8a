const copy = element.querySelector('.sb-copy');
copy.addEventListener('click', async () => {
  const code = element.querySelector('pre');
  try {
    await navigator.clipboard.writeText(code.textContent);
    copy.textContent = 'Copied';
  } catch {
    window.getSelection().selectAllChildren(code);
    copy.textContent = 'Selected: copy with Ctrl C';
  }
  setTimeout(() => { copy.textContent = 'Copy the commands'; }, 2500);
});
