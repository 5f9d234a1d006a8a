/* A link to the composed video, which is followed at once when there is a new one. */
const link = element.querySelector('.sx-link');
const show = () => {
  const file = props.value || {};
  link.hidden = !file.url;
  if (!file.url) return;
  link.href = mediaUrl(file.url);
  link.download = file.name;
  link.click();
};
watch('value', show);
