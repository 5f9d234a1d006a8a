/* The questions after the clips. */

import { card, make } from './dom.js';

const MOST_LETTERS = 4000;

/** All questions that have no answer yet, on one page. */
export function questionsPage(app) {
  const { facts, state, memory, outbox } = app;
  const draft = memory.read('draft') || {};
  const questions = facts.questions.filter(({ key }) => state.unanswered.includes(key));
  const button = make('button', { type: 'submit', class: 'primary' }, 'Finish');
  const form = make('form', {
    oninput: () => memory.write('draft', Object.fromEntries(new FormData(form))),
    onsubmit: async (event) => {
      event.preventDefault();
      const fields = new FormData(form);
      button.disabled = true;
      button.textContent = 'Saving …';
      await Promise.all(questions.map(({ key }) => outbox.put('answer', { key, text: fields.get(key) || '' })));
      button.disabled = false;
      button.textContent = 'Finish';
    },
  }, questions.map((question) => (question.options.length ? options(question, draft) : free(question, draft))),
  make('div', { class: 'row' }, button));
  return {
    node: card(questions.length === 1 ? 'One last question' : 'A few questions to end with', form),
  };
}

function options({ key, text, options: choices }, draft) {
  return make('fieldset', { class: 'ask' }, make('legend', {}, text),
    choices.map((option) => make('label', { class: 'option' },
      make('input', { type: 'radio', name: key, value: option, required: true, checked: draft[key] === option }),
      make('span', {}, option))));
}

function free({ key, text }, draft) {
  const area = make('textarea', { name: key, rows: '4', maxlength: String(MOST_LETTERS) });
  area.value = draft[key] || '';
  return make('label', { class: 'ask' }, make('span', { class: 'legend' }, text,
    make('span', { class: 'dim small' }, ' (you may leave this empty)')), area);
}
