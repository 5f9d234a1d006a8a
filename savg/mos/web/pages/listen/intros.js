/* Pages between parts: an introduction of the next part, and a button. */

import { card, make } from './dom.js';

const STAGES = {
  channels: {
    title: 'Put on your headphones',
    first: [
      'The side marked L belongs on your left ear, R on your right ear. This matters: the test is about where sounds come from.',
      'Set the volume of your device low for now. You can adjust it in a moment.',
      'Switch off “spatial audio”, “surround” and similar effects if your headphones or your device have them.',
    ],
    next: 'You will hear noise on the left, on the right, or in the middle of your head, and say where.',
    button: 'My headphones are on',
    again: {
      title: 'Let us check your headphones again',
      first: [
        'Are they the right way round? L belongs on the left ear, R on the right ear.',
        'Is sound coming from the headphones, and on both sides? “Mono audio” in your device’s settings must be off.',
        'Is it loud enough, and the place quiet?',
      ],
    },
  },
  huggins: {
    title: 'A hidden tone',
    first: [
      'You will hear three bursts of noise. In one of them a faint tone is hidden; say in which.',
      'The tone is quiet, and over headphones most people hear it. Take your time: you can listen as often as you like.',
      'Please leave the volume as it is from now on, until the end of the test.',
    ],
    button: 'I am ready',
    again: {
      title: 'Once more, with other sounds',
      first: [
        'Not all were right. That happens: the tone is faint, a little like a soft hum within the noise.',
        'Make sure that the place is quiet and that noise cancelling and sound effects are off.',
        'This time take a moment for each sound, and listen more than once.',
      ],
    },
  },
  antiphase: {
    title: 'Which tone is the quietest?',
    first: [
      'You will hear three low tones. One of them is quieter than the others; say which.',
      'You can listen as often as you like. Please do not change the volume.',
    ],
    button: 'I am ready',
    again: { title: 'Once more', first: ['Listen again for the quietest of three tones.'] },
  },
};

/** Before the first sound of a stage of the screening, and before a second attempt. */
export function setUpPage(app) {
  const { stage, attempt, trials } = app.state.screening;
  const plain = STAGES[stage] || { title: 'The next sounds', first: [], button: 'I am ready', again: {} };
  const { title, first, next, button } = attempt ? { ...plain, ...plain.again } : plain;
  return {
    node: card(title,
      stage === 'channels' ? headphones() : null,
      make('ol', { class: 'points' }, first.map((text) => make('li', {}, text))),
      next ? make('p', {}, next) : null,
      make('p', { class: 'dim small' }, trials + ' sounds, about ' + (stage === 'channels' ? 'half a minute' : 'a minute') + '.'),
      onward(button, () => app.dismiss(stage + '/' + attempt))),
  };
}

/** Before the practice clips. */
export function practicePage(app) {
  const { facts } = app;
  return {
    node: card('Your headphones work well',
      make('p', {}, 'Now you will watch short clips and answer one question about each:'),
      make('p', { class: 'question quoted' }, facts.question),
      scaleWords(facts.labels),
      make('p', {}, 'Judge only that. The quality of video and sound does not matter here. '
        + 'There are no right or wrong answers: your own impression counts.'),
      make('p', {}, 'You answer once a clip has played, and may watch it again before you do. '
        + 'An answer cannot be changed after you have gone on.'),
      facts.practice ? make('p', {}, facts.practice === 1
        ? 'First comes one clip to get used to it; it does not count.'
        : 'First come ' + facts.practice + ' clips to get used to it; they do not count.') : null,
      keys(facts.labels.length),
      onward(facts.practice ? 'Start with practice' : 'Start', () => app.dismiss(0))),
  };
}

/** After the practice clips. */
export function trialsPage(app) {
  const { facts } = app;
  if (!facts.practice) return practicePage(app);
  const number = facts.positions - facts.practice;
  return {
    node: card('The practice is over',
      make('p', {}, 'From now on it counts: ' + count(number, 'clip') + ', with a break half-way. '
        + 'Each one starts by itself when you go on from the one before.'),
      make('p', {}, 'Use the whole scale as you see fit, keep looking at the screen, and leave the volume as it is.'),
      onward('Start', () => app.dismiss(facts.practice))),
  };
}

/** Half-way. */
export function breakPage(app) {
  const { facts } = app;
  const position = facts.break_after + 1;
  return {
    node: card('Time for a break',
      make('p', {}, 'You have done half of it, thank you! Rest your ears for a minute or two: take off the headphones, stand up, look out of the window.'),
      make('p', {}, 'To come: ' + count(facts.positions - position, 'clip') + '. Put the headphones back on the same way round (L on the left ear), and leave the volume as it was.'),
      onward('Go on', () => app.dismiss(position))),
  };
}

export function scaleWords(labels) {
  return make('p', { class: 'ends' },
    make('span', {}, make('b', {}, '1'), ' ' + labels[0]),
    make('span', { class: 'to', 'aria-label': 'to' }),
    make('span', {}, make('b', {}, String(labels.length)), ' ' + labels[labels.length - 1]));
}

function keys(number) {
  const key = (name) => make('kbd', {}, name);
  return make('p', { class: 'keys dim small' }, 'With a keyboard: ', key('Space'), ' plays, ',
    key('1'), ' to ', key(String(Math.min(number, 9))), ' rate, ', key('Enter'), ' goes on.');
}

function onward(words, press) {
  return make('div', { class: 'row' }, make('button', { type: 'button', class: 'primary', onclick: press }, words));
}

function count(number, noun) {
  return number + ' ' + noun + (number === 1 ? '' : 's');
}

function headphones() {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 220 120');
  svg.setAttribute('class', 'headphones');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', 'Headphones seen from behind: L on the left ear, R on the right ear');
  const add = (tag, attributes, text) => {
    const part = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) part.setAttribute(name, value);
    if (text) part.textContent = text;
    svg.append(part);
  };
  add('path', { d: 'M64 70V60a46 46 0 0 1 92 0v10', class: 'bow' });
  add('rect', { x: 44, y: 66, width: 28, height: 44, rx: 10, class: 'left' });
  add('rect', { x: 148, y: 66, width: 28, height: 44, rx: 10, class: 'right' });
  add('text', { x: 58, y: 94 }, 'L');
  add('text', { x: 162, y: 94 }, 'R');
  return svg;
}
