/* Consent, and the listener's headphones. */

import { card, make, paragraphs } from './dom.js';
import { output } from './sound.js';

const HEADPHONES = ['over-ear headphones', 'on-ear headphones', 'in-ear headphones', 'other'];
const LINKS = ['by cable', 'wireless', 'I do not know'];

/** The first page. */
export function welcomePage(app) {
  const { facts, memory, outbox } = app;
  const playable = canPlay();
  const draft = memory.read('device') || {};
  const select = (name, label, options) => field(label, make('select', { name, required: true },
    make('option', { value: '' }, 'Please choose'),
    options.map((text) => make('option', { value: text, selected: draft[name] === text }, text))));
  const model = make('input', {
    name: 'model', type: 'text', maxlength: '200', autocomplete: 'off', value: draft.model || '',
  });
  const agree = make('input', { type: 'checkbox', name: 'agree', required: true, id: 'agree' });
  const button = make('button', { type: 'submit', class: 'primary', disabled: !playable }, 'Agree and go on');
  const form = make('form', {
    onsubmit: (event) => {
      event.preventDefault();
      button.disabled = true;
      outbox.put('consent', { device: device(form) }).then(() => { button.disabled = !playable; });
      memory.forget('device');
    },
    oninput: () => memory.write('device', formValues(form)),
  },
  make('h2', {}, 'Your headphones'),
  make('div', { class: 'fields' },
    select('headphones', 'What will you listen with?', HEADPHONES),
    select('link', 'How are they connected?', LINKS),
    field('Make and model, if you know', model)),
  make('p', { class: 'dim small' }, 'Your browser’s name and version, and the size of your screen, are noted too.'),
  make('label', { class: 'tick', for: 'agree' }, agree,
    make('span', {}, 'I have read this and agree to take part.')),
  make('div', { class: 'row' }, button));
  return {
    node: card('Welcome to this listening test',
      playable ? null : make('p', { class: 'warning' },
        'This browser cannot play the clips. Please open your link in a current Chrome, Edge, Firefox or Safari.'),
      paragraphs(facts.consent),
      make('ul', { class: 'facts' },
        make('li', {}, make('b', {}, minutes(facts)), ' in all, with a break half-way'),
        make('li', {}, make('b', {}, 'Headphones'), ', worn on both ears; loudspeakers do not work'),
        make('li', {}, make('b', {}, 'A quiet place'), ' where nobody disturbs you'),
        make('li', {}, make('b', {}, 'Your link is yours alone'), ': with it you can stop and come back at the same place')),
      form),
  };
}

/** About how long a session takes, in steps of five minutes. */
function minutes(facts) {
  const each = 1.3 * (facts.seconds || 5) + 5;
  const check = facts.level === 'remote' ? 300 : 240;
  return 'About ' + 5 * Math.max(1, Math.round((check + each * facts.positions) / 300)) + ' minutes';
}

function field(label, control) {
  return make('label', { class: 'field' }, make('span', {}, label), control);
}

function formValues(form) {
  const { headphones, link, model } = Object.fromEntries(new FormData(form));
  return { headphones, link, model };
}

function device(form) {
  const { rate, channels } = output();
  return {
    ...formValues(form),
    browser: navigator.userAgent.slice(0, 400),
    language: navigator.language,
    screen: screen.width + 'x' + screen.height + '@' + window.devicePixelRatio,
    touch: navigator.maxTouchPoints > 0,
    rate,
    channels,
  };
}

function canPlay() {
  return document.createElement('video').canPlayType('video/mp4; codecs="avc1.42E01E, mp4a.40.2"') !== ''
    && Boolean(window.AudioContext);
}
