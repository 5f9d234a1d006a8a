/* The check of headphones and ears: one sound, one answer. */

import { choiceKeys, choiceRow } from './choices.js';
import { card, icon, iconButton, make } from './dom.js';
import { audio, decode, start } from './sound.js';

const STAGES = {
  channels: { title: 'Where do you hear the noise?', noun: 'the noise' },
  huggins: { title: 'Which noise has the hidden tone?', noun: 'all three noises' },
  antiphase: { title: 'Which tone is the quietest?', noun: 'all three tones' },
};
const LABELS = {
  left: ['Left', '←'], centre: ['Middle', '•'], right: ['Right', '→'],
  1: ['First', '1'], 2: ['Second', '2'], 3: ['Third', '3'],
};
const LEAD_MS = 600, AGAIN_MS = 3000;
const VOLUME_SECONDS = 2;
const RING = 2 * Math.PI * 45;

/** The page of the current screening sound. */
export function screeningPage(app) {
  return app.state.screening.stage === 'volume' ? volumePage(app) : soundPage(app);
}

function after(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/* A round button with a ring that fills while the sound is played. */
function soundButton(press) {
  const ring = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  ring.setAttribute('viewBox', '0 0 100 100');
  ring.setAttribute('aria-hidden', 'true');
  ring.setAttribute('class', 'ring');
  const [track, fill] = ['track', 'fill'].map((kind) => {
    const circle = document.createElementNS('http://www.w3.org/2000/svg', 'circle');
    for (const [name, value] of Object.entries({ cx: 50, cy: 50, r: 45, class: kind })) circle.setAttribute(name, value);
    return circle;
  });
  fill.style.strokeDasharray = RING;
  ring.append(track, fill);
  const words = make('span', { class: 'spoken' });
  const sign = make('span', { class: 'sign' }, icon('play'));
  const node = make('button', { type: 'button', class: 'sound', onclick: press }, ring, sign, words);
  return {
    node,
    show(name, text, share) {
      if (node.dataset.icon !== name) sign.replaceChildren(icon(name));
      node.dataset.icon = name;
      if (words.textContent !== text) words.textContent = text;
      fill.style.strokeDashoffset = RING * (1 - share);
    },
  };
}

/* Loads the sound of the present trial and plays it; `changed()` after each change. */
function soundOf(app, { loop, changed, ticked }) {
  const { media } = app.state.screening;
  const sound = { buffer: null, playing: null, seconds: 0, whole: false, closed: false, failed: false };

  async function load() {
    try {
      sound.buffer = await decode(await app.media(media));
    } catch (error) {
      if (sound.closed) return;
      if (error.reason) {
        await app.lost(error);
        await after(AGAIN_MS);
        if (!sound.closed) await load();
        return;
      }
      sound.failed = true;
    }
    if (!sound.closed) changed();
  }

  sound.play = () => {
    if (sound.playing || sound.failed) return;
    if (!sound.buffer) {
      sound.loaded.then(() => sound.closed || sound.play());
      return;
    }
    app.sounding();
    sound.playing = start(sound.buffer, {
      loop,
      onTick: (seconds) => {
        sound.seconds = Math.max(sound.seconds, seconds);
        ticked(seconds);
      },
      onEnd: (whole) => {
        sound.playing = null;
        sound.whole ||= whole;
        if (!sound.closed) changed();
      },
    });
    changed();
  };
  sound.stop = () => sound.playing && sound.playing.stop();
  sound.end = () => {
    sound.closed = true;
    sound.stop();
  };
  audio();
  sound.loaded = load();
  return sound;
}

function soundPage(app) {
  const { stage, attempt, trial, trials, choices } = app.state.screening;
  const { title, noun } = STAGES[stage] || { title: 'What do you hear?', noun: 'the sound' };
  let saving = false;
  const row = choiceRow(title, choices.map((value, i) => {
    const [label, mark] = LABELS[value] || [value, String(i + 1)];
    return { value, label, mark };
  }), () => refresh(), 'heard');
  const button = soundButton(press);
  const hint = make('p', { class: 'hint', 'aria-live': 'polite' });
  const next = iconButton('primary', 'next', 'Next', go);
  const sound = soundOf(app, { changed: () => refresh(), ticked: draw });
  const endKeys = choiceKeys(row, { play: press, go });
  const starts = app.pressed && trial > 0;
  app.pressed = false;

  function draw(seconds) {
    const unit = sound.buffer.duration / (1.5 * choices.length - 0.5), turn = Math.floor(seconds / (1.5 * unit));
    row.point(stage !== 'channels' && seconds - 1.5 * unit * turn < unit ? turn : -1);
    button.show('sounds', 'Playing', seconds / sound.buffer.duration);
  }

  function press() {
    if (!saving) sound.play();
  }

  async function go() {
    if (saving || row.value === null || !sound.whole) return;
    saving = true;
    app.pressed = true;
    sound.stop();
    refresh();
    await app.outbox.put('screening', { stage, attempt, trial, answer: row.value });
    saving = false;
    if (!sound.closed) refresh();
  }

  function words() {
    if (saving) return 'Saving …';
    if (sound.failed) return 'This browser could not play the sound. Please use a current Chrome, Edge, Firefox or Safari.';
    if (!sound.buffer) return 'Loading the sound …';
    if (sound.playing && !sound.whole) return 'Listen to ' + noun + ', then answer.';
    if (!sound.whole) return 'Play the sound, then answer.';
    return row.value === null ? 'Please choose your answer, or listen again.' : 'Go on when you are sure, or listen again.';
  }

  function refresh() {
    row.lock(saving || !sound.whole);
    if (!sound.playing) {
      row.point(-1);
      button.show(sound.whole ? 'again' : 'play', sound.whole ? 'Play again' : 'Play the sound', 0);
    }
    button.node.disabled = saving || !sound.buffer;
    next.setAttribute('aria-disabled', String(saving || !sound.whole || row.value === null));
    const text = words();
    if (hint.textContent !== text) hint.textContent = text;
  }

  refresh();
  if (starts) {
    Promise.all([sound.loaded, after(LEAD_MS)]).then(() => document.hidden || sound.closed || sound.seconds || press());
  }
  const node = card(title,
    make('p', { class: 'dim of' }, 'Sound ' + (trial + 1) + ' of ' + trials),
    make('div', { class: 'sounding' }, button.node), row.node, hint,
    make('div', { class: 'row' }, next));
  node.classList.add('listening');
  return {
    node,
    hush: sound.stop,
    stop() {
      endKeys();
      sound.end();
    },
  };
}

function volumePage(app) {
  const { stage, attempt, trial, choices } = app.state.screening;
  let saving = false;
  const button = soundButton(press);
  const hint = make('p', { class: 'hint', 'aria-live': 'polite' });
  const next = make('button', { type: 'button', class: 'primary', onclick: go }, 'The volume is right');
  const sound = soundOf(app, { loop: true, changed: () => refresh(), ticked: () => refresh() });

  function press() {
    if (sound.playing) sound.stop();
    else if (!saving) sound.play();
  }

  async function go() {
    if (saving || sound.seconds < VOLUME_SECONDS) return;
    saving = true;
    sound.stop();
    refresh();
    await app.outbox.put('screening', { stage, attempt, trial, answer: choices[0] });
    saving = false;
    if (!sound.closed) refresh();
  }

  function refresh() {
    const share = Math.min(1, sound.seconds / VOLUME_SECONDS);
    if (sound.playing) button.show('pause', 'Stop the noise', share);
    else button.show('play', 'Play the noise', share);
    button.node.disabled = saving || !sound.buffer;
    next.setAttribute('aria-disabled', String(saving || share < 1));
    const text = saving ? 'Saving …' : !sound.buffer ? 'Loading the sound …'
      : share < 1 && !sound.playing ? 'Play the noise and adjust the volume.'
        : share < 1 ? 'Adjust the volume now.' : 'Once it is right, please do not change it any more.';
    if (hint.textContent !== text) hint.textContent = text;
  }

  refresh();
  const node = card('Set the volume',
    make('p', {}, 'Play the noise and set the volume of your device so that it is comfortable: '
      + 'easy to hear, but not loud. All clips are about as loud as this noise.'),
    make('div', { class: 'sounding' }, button.node), hint,
    make('div', { class: 'row' }, next));
  node.classList.add('listening');
  return { node, hush: sound.stop, stop: sound.end };
}
