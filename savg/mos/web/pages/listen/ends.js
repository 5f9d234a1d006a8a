/* Pages at the end of a session, or of one that cannot go on now. */

import { card, make } from './dom.js';
import { mention } from './line.js';

/** All is done: the completion code, to copy. */
export function donePage(app) {
  const { completion } = app.state;
  const code = make('output', { class: 'code', id: 'completion' }, completion);
  const button = make('button', {
    type: 'button', class: 'primary', onclick: async () => {
      const copied = await copy(completion, code);
      button.textContent = copied ? 'Copied' : 'Please copy it by hand';
      setTimeout(() => { button.textContent = 'Copy the code'; }, 2500);
    },
  }, 'Copy the code');
  app.memory.forget('heard');
  app.memory.forget('draft');
  return {
    node: card('That was all. Thank you!',
      make('p', {}, 'Your answers are saved. This is your completion code, for whoever asked you to take part:'),
      make('div', { class: 'completion' }, code, button),
      make('p', { class: 'dim' }, 'You can close this page now. Your link stays valid: it shows this code again.')),
  };
}

/** The screening was not passed. */
export function screenedOutPage(app) {
  return {
    node: card('Thank you for your time',
      make('p', {}, 'The test ends here for you. It needs sounds to reach each ear very precisely, and the check showed that this does not work well enough with these headphones, this device or in this place. That is quite common and says nothing about you.'),
      make('p', {}, 'Your answers so far are saved. You can close this page.'),
      make('p', { class: 'dim' }, 'If you were asked for it, your participant number is ',
        make('b', { class: 'number' }, app.state.code), '.')),
  };
}

/** The organiser has paused or closed the study. */
export function pausedPage(app) {
  const begun = app.state.step !== 'invited';
  return {
    node: card('The test is not open at the moment',
      make('p', {}, begun ? 'Everything you have done is saved, and you continue at the same place.'
        : 'It has not begun yet, makes a pause, or is over.'),
      make('p', {}, 'You can leave this page open, as it goes on by itself when the test opens, or come back later with the same link.'),
      make('div', { class: 'row' }, make('button', {
        type: 'button', class: 'secondary', onclick: async () => {
        await app.look();
        if (!app.state.open) mention('It is not open yet.');
      },
      }, 'Look again'))),
  };
}

/** A wrong link. */
export function lostPage(sentence) {
  document.getElementById('steps').replaceChildren();
  return {
    node: card('This link does not work',
      make('p', {}, sentence),
      make('p', {}, 'Please open the whole link that you were given, to its very last letter: what follows the # belongs to it.'),
      make('p', { class: 'dim' }, 'If it still does not work, ask whoever invited you for a new one.')),
  };
}

/* Without https browsers keep the clipboard from pages; then a selection is copied the old way. */
async function copy(text, node) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const range = document.createRange(), selection = getSelection();
    range.selectNodeContents(node);
    selection.removeAllRanges();
    selection.addRange(range);
    return document.execCommand('copy');
  }
}
