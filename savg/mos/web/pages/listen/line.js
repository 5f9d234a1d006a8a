/* Trying again until the server answers, and the quiet notice meanwhile. */

import { Unreachable } from './api.js';
import { make } from './dom.js';

const FIRST_SECONDS = 0.5, LONGEST_SECONDS = 20;
const SHOWN_AFTER = 1; // failures: a single one is not worth a word

const troubled = new Set();
let wakeAll = new EventTarget();

/** Seconds to wait after a number of failures: doubled each time, and spread by chance so that
    listeners do not return all at once after a restart. */
export function waiting(failures) {
  const longest = Math.min(LONGEST_SECONDS, FIRST_SECONDS * 2 ** (failures - 1));
  return longest * (0.6 + 0.4 * Math.random());
}

/** The result of `task`, repeated for as long as the server cannot be reached. */
export async function insist(task) {
  const mine = {};
  try {
    for (let failures = 1; ; failures += 1) {
      try {
        return await task();
      } catch (error) {
        if (!(error instanceof Unreachable)) throw error;
        if (failures > SHOWN_AFTER || !navigator.onLine) troubled.add(mine);
        notify();
        await pause(waiting(failures));
      }
    }
  } finally {
    troubled.delete(mine);
    notify();
  }
}

/** A number of seconds, or until the connection is back. */
function pause(seconds) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      wakeAll.removeEventListener('wake', end);
      resolve();
    };
    const timer = setTimeout(end, 1000 * seconds);
    wakeAll.addEventListener('wake', end);
  });
}

function wake() {
  wakeAll.dispatchEvent(new Event('wake'));
}

window.addEventListener('online', wake);

function notify() {
  const place = document.getElementById('notice');
  if (troubled.size && !place.dataset.line) {
    place.dataset.line = 'lost';
    place.replaceChildren(
      make('span', {}, 'Connection lost, trying again. Nothing you have done is lost.'),
      make('button', { type: 'button', class: 'plain', onclick: wake }, 'Try now'),
    );
  } else if (!troubled.size && place.dataset.line) {
    delete place.dataset.line;
    place.replaceChildren();
  }
}

/** A word in passing, gone after a few seconds; a lost connection is told instead. */
export function mention(words) {
  const place = document.getElementById('notice');
  if (place.dataset.line) return;
  const text = make('span', {}, words);
  place.replaceChildren(text);
  setTimeout(() => text.parentNode === place && place.replaceChildren(), 6000);
}
