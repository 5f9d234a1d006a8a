/* A clip and its rating. One view serves all clips, so that nothing moves from one to the next. */

import { choiceKeys, choiceRow } from './choices.js';
import { clipStage } from './clip.js';
import { iconButton, make } from './dom.js';
import { insist } from './line.js';

const LEAD_MS = 400; // between the clips, so that the eyes are back on the screen
const AGAIN_MS = 3000;

/** The page of the trials. */
export function trialPage(app) {
  const { facts, memory, outbox } = app;
  let position = null, trial = null, saving = false, starts = false, ahead = false, saved = '', earlier = 0, leading = 0;

  const heading = make('h1', { tabindex: '-1', class: 'count' });
  const player = clipStage(() => position !== null && refresh());
  const hint = make('p', { class: 'hint', 'aria-live': 'polite' });
  const row = choiceRow(facts.question, facts.labels.map((label, i) => ({
    value: String(i + 1), label, mark: String(i + 1),
  })), () => {
    keep();
    refresh();
  }, 'scale');
  const play = iconButton('secondary', 'play', 'Play', press);
  const next = iconButton('primary', 'next', 'Next clip', go);
  const node = make('section', { class: 'trial' },
    heading, player.node,
    make('div', { class: 'card answer' },
      make('p', { class: 'question' }, facts.question),
      row.node, hint, make('div', { class: 'row both' }, play, next)));
  const endKeys = choiceKeys(row, { play: press, go });

  function needed() {
    return facts.played * trial.seconds;
  }

  function unlocked() {
    const { seconds, covered } = player.playback;
    return Math.min(seconds, covered) >= needed();
  }

  function press() {
    if (saving) return;
    endLead();
    starts = player.state === 'loading'; // pressed too early: it starts as soon as it can
    if (player.state === 'playing') player.pause();
    else if (player.state === 'broken') load(true);
    else player.play();
    refresh();
  }

  /* A new position from the server: another clip, locked until it was played. */
  function update() {
    if (app.state.trial.position === position) return;
    trial = app.state.trial;
    position = trial.position;
    saving = false;
    ahead = false;
    saved = '';
    earlier = 0;
    endLead();
    starts = Boolean(app.pressed);
    app.pressed = false;
    row.clear();
    heading.textContent = trial.practice
      ? 'Practice clip ' + (position + 1) + ' of ' + facts.practice
      : 'Clip ' + (position - facts.practice + 1) + ' of ' + (trial.positions - facts.practice);
    heading.focus({ preventScroll: true });
    load(false);
    if (!trial.served) {
      insist(() => app.api.post('serve', { position: trial.position })).then(app.take, app.lost);
    }
    refresh();
  }

  async function load(anew) {
    const mine = position;
    player.close();
    refresh();
    try {
      const blob = await app.media(trial.media, anew);
      if (mine !== position) return;
      const before = memory.read('heard');
      const same = before && before.position === position;
      player.open(blob, same ? before.heard : null);
      earlier = same && before.choice ? Number(before.choice) : 0;
    } catch (error) {
      await app.lost(error);
      setTimeout(() => mine === position && load(true), AGAIN_MS);
    }
  }

  /* Playback and choice survive a reload. */
  function keep() {
    const text = JSON.stringify([position, player.playback, row.value]);
    if (text === saved) return;
    saved = text;
    memory.write('heard', { position, heard: player.playback, choice: row.value });
  }

  async function go() {
    if (saving || row.value === null || !unlocked()) return;
    const mine = position, { plays, seconds, ended } = player.playback;
    saving = true;
    app.pressed = true;
    player.pause();
    refresh();
    await outbox.put('rating', {
      position,
      score: Number(row.value),
      plays,
      seconds_played: Math.round(1000 * (ended ? Math.max(seconds, trial.seconds) : seconds)) / 1000,
      response_seconds: ended ? Math.max(0, Date.now() - ended) / 1000 : 0,
    });
    if (mine !== position) return;
    saving = false;
    app.pressed = false;
    load(false);
  }

  /* A moment between two clips, then the next one starts by itself. */
  function lead() {
    starts = false;
    player.node.classList.add('leading');
    leading = setTimeout(() => {
      endLead();
      if (!document.hidden && player.state === 'ready') player.play();
      refresh();
    }, LEAD_MS);
  }

  function endLead() {
    clearTimeout(leading);
    leading = 0;
    player.node.classList.remove('leading');
  }

  function words() {
    const { state, playback } = player;
    if (saving) return 'Saving …';
    if (state === 'broken') return 'The clip could not be shown.';
    if (state === 'loading') return 'Loading the clip …';
    if (unlocked()) {
      if (row.value !== null) return 'Go on when you are sure.';
      return state === 'playing' ? 'You can answer now.' : 'Please choose your answer.';
    }
    if (state === 'playing') return 'Watch and listen to the end.';
    if (starts || leading) return 'The clip starts now.';
    return playback.plays ? 'Paused: play it to the end.' : 'Play the clip, then answer.';
  }

  function refresh() {
    const { state, playback } = player;
    if (state === 'playing' && !ahead) {
      ahead = true;
      app.sounding();
      if (app.state.upcoming) app.media(app.state.upcoming).catch(() => {});
    }
    if (state === 'ready' && starts) lead();
    const free = unlocked() && !saving && state !== 'loading';
    if (state !== 'playing' && state !== 'loading' && playback.plays && !saving && !earlier) keep();
    row.lock(!free);
    if (free && earlier) {
      const choice = earlier;
      earlier = 0;
      row.choose(choice - 1);
    }
    const able = free && row.value !== null;
    next.setAttribute('aria-disabled', String(!able));
    next.show('next', position === trial.positions - 1 ? 'Finish' : 'Next clip');
    play.disabled = saving || state === 'loading';
    if (state === 'playing') play.show('pause', 'Pause');
    else if (state === 'broken') play.show('again', 'Load again');
    else play.show(state === 'ended' || playback.ended ? 'again' : 'play', state === 'ended' || playback.ended ? 'Play again' : 'Play');
    const text = words();
    if (hint.textContent !== text) hint.textContent = text;
  }

  return {
    node,
    first: heading,
    update,
    hush() {
      starts = false;
      endLead();
      player.pause();
    },
    stop() {
      endKeys();
      endLead();
      position = null;
      player.close();
    },
  };
}
