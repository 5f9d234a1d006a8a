/* The line at the top: which part of the test this is, and how far. */

import { make } from './dom.js';

/** Show the parts of this study and mark the one that `state` is in. */
export function showSteps(state, facts) {
  const place = document.getElementById('steps');
  const parts = [
    ['Welcome', state.step === 'invited'],
    ['Headphones', state.step === 'screening'],
    facts.practice ? ['Practice', state.step === 'trials' && state.trial?.practice] : null,
    ['Clips', state.step === 'trials' && !state.trial?.practice],
    facts.questions.length ? ['Questions', state.step === 'questions'] : null,
  ].filter(Boolean);
  const over = state.step === 'done' || state.step === 'screened_out';
  const now = over ? parts.length : parts.findIndex(([, here]) => here);
  const share = state.step === 'trials' ? within(state.trial, facts) : 0;
  const bars = parts.map(([, here], i) => {
    const fill = make('i');
    fill.style.transform = 'scaleX(' + (i < now ? 1 : here ? share : 0) + ')';
    return make('span', { class: here ? 'bar here' : 'bar' }, fill);
  });
  const words = state.step === 'screened_out' ? '' : over ? 'Finished'
    : 'Part ' + (now + 1) + ' of ' + parts.length + ': ' + parts[now][0];
  place.hidden = state.step === 'screened_out';
  place.replaceChildren(make('span', { class: 'part' }, words),
    make('span', { class: 'bars', 'aria-hidden': 'true' }, ...bars));
}

function within(trial, facts) {
  if (!trial) return 0;
  if (trial.practice) return trial.position / facts.practice;
  return (trial.position - facts.practice) / (trial.positions - facts.practice);
}
