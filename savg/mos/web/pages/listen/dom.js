/* Elements of pages. Text is inserted as text, never as markup: much of it comes from the study. */

const SVG = 'http://www.w3.org/2000/svg';

/** An element; `on…` attributes are listeners, `true` is an empty attribute, `false` is none. */
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const PATHS = {
  play: 'M8 5.500v13l10.500-6.500z',
  pause: 'M7 5h3.600v14H7zM13.400 5H17v14h-3.600z',
  again: 'M12 5.200V2L7 6.300l5 4.300V7.400a5.300 5.300 0 1 1-5.300 5.300H4.500A7.500 7.500 0 1 0 12 5.200z',
  sounds: 'M3.500 10h2.200v4H3.500zM8.200 7h2.200v10H8.200zM12.900 4h2.200v16h-2.200zM17.600 8.500h2.200v7h-2.200z',
  next: 'M13 5.500 11.600 7l4 4H4v2h11.600l-4 4L13 18.500 19.500 12z',
};

/** One of PATHS as an icon in the size of the surrounding text. */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.setAttribute('class', 'icon');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}

/** A button with an icon before its words, both exchangeable. */
export function iconButton(kind, name, words, press) {
  const text = make('span', {}, words);
  const button = make('button', { type: 'button', class: kind, onclick: press }, icon(name), text);
  button.show = (newName, newWords) => {
    if (button.dataset.icon !== newName) button.firstChild.replaceWith(icon(newName));
    button.dataset.icon = newName;
    if (text.textContent !== newWords) text.textContent = newWords;
  };
  button.dataset.icon = name;
  return button;
}

/** A card with a heading that takes the focus, so that a screen reader begins there. */
export function card(title, ...children) {
  return make('section', { class: 'card' }, make('h1', { tabindex: '-1' }, title), ...children);
}

/** Paragraphs of a text, separated by empty lines; line breaks stay. */
export function paragraphs(text) {
  return text.trim().split(/\n\s*\n/).map((part) => make('p', { class: 'said' }, part));
}
