/* Actions of a listener that the server has not confirmed yet. Each is stored before it is sent, and
   sent again until there is an answer: repeating one has no effect on the server. */

import { insist } from './line.js';

const NAME = 'unsent';
const EARLY_SECONDS = 0.4, MOST_EARLY = 400;

/** An outbox: `onState` is called with the state after each confirmed item, `onRefused` with the error
    and the item where the server rejected one, which is dropped then. */
export function openOutbox(memory, api, onState, onRefused) {
  let running = null, number = 0;

  const items = () => memory.read(NAME) || [];

  function put(act, said) {
    number += 1;
    const id = Date.now().toString(36) + '-' + number + '-' + Math.random().toString(36).slice(2, 8);
    memory.write(NAME, [...items(), { id, act, said }]);
    return flush();
  }

  function drop(id) {
    const left = items().filter((item) => item.id !== id);
    if (left.length) memory.write(NAME, left);
    else memory.forget(NAME);
  }

  function flush() {
    running ||= send().finally(() => { running = null; });
    return running;
  }

  async function send() {
    for (let item = items()[0]; item; item = items()[0]) {
      let state = null, refused = null;
      try {
        state = await deliver(item);
      } catch (error) {
        if (!error.reason) throw error;
        refused = error;
      }
      drop(item.id);
      if (refused) await onRefused(refused, item);
      else onState(state);
    }
  }

  async function deliver(item) {
    for (let early = 0, served = false; ; early += 1) {
      try {
        return await insist(() => api.post(item.act, item.said));
      } catch (error) {
        if (error.reason === 'not_served' && item.act === 'rating' && !served) {
          served = true;
          await insist(() => api.post('serve', { position: item.said.position }));
        } else if (error.reason === 'too_early' && early < MOST_EARLY) {
          await new Promise((resolve) => setTimeout(resolve, 1000 * EARLY_SECONDS));
        } else {
          throw error;
        }
      }
    }
  }

  return { put, flush, holds: (act) => items().some((item) => item.act === act) };
}
