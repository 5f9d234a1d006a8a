/* Small helpers of the studio's own components. */

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function mediaUrl(path) {
  return new URL(path, document.baseURI).href;
}
