/* The listener's page: it shows the session's state on the server, and nothing else. Reloads, other
   tabs and lost connections all lead to the same state. */

import { Refused, connect } from './api.js';
import { make } from './dom.js';
import { insist, mention } from './line.js';
import { remember } from './memory.js';
import { openOutbox } from './outbox.js';
import { showSteps } from './steps.js';
import { donePage, lostPage, pausedPage, screenedOutPage } from './ends.js';
import { breakPage, practicePage, setUpPage, trialsPage } from './intros.js';
import { questionsPage } from './questions.js';
import { screeningPage } from './screening.js';
import { trialPage } from './trial.js';
import { welcomePage } from './welcome.js';

const ORDER = ['invited', 'screening', 'trials', 'questions', 'done'];
const STAGES = ['channels', 'volume', 'huggins', 'antiphase'];
const LOOK_SECONDS = 15;
const TOKEN = /^[\w-]{16,64}$/;

const main = document.getElementById('main');

/** A number that grows with the session's states; an outdated reply is not shown. */
function reached({ step, screening, trial, unanswered }) {
  if (step === 'screened_out') return ORDER.length * 1e6;
  const within = screening ? (STAGES.indexOf(screening.stage) * 100 + screening.attempt) * 100 + screening.trial
    : trial ? 2 * trial.position + Number(trial.served) : 1000 - unanswered.length;
  return ORDER.indexOf(step) * 1e6 + within;
}

/** The view of a state: its name, and the function that makes its page. */
function viewFor(state, facts, seen) {
  const { step, screening, trial } = state;
  if (step === 'done') return ['done', donePage];
  if (step === 'screened_out') return ['out', screenedOutPage];
  if (step === 'questions') return ['questions', questionsPage];
  if (!state.open && !(trial && trial.served)) return ['paused', pausedPage];
  if (step === 'invited') return ['welcome', welcomePage];
  if (screening) {
    const stage = screening.stage + '/' + screening.attempt;
    if (!screening.trial && screening.stage !== 'volume' && !seen.has(stage)) return ['set-up ' + stage, setUpPage];
    return ['screening ' + stage + '/' + screening.trial, screeningPage];
  }
  if (!trial) return ['paused', pausedPage];
  if (!trial.served && !seen.has(trial.position)) {
    if (trial.position === facts.practice) return ['trials', trialsPage];
    if (trial.position === 0) return ['practice', practicePage];
    if (trial.position === facts.break_after + 1) return ['break', breakPage];
  }
  return ['trial', trialPage];
}

function openPage(token, study) {
  const api = connect(token);
  const memory = remember(study, token);
  const tabs = 'BroadcastChannel' in window ? new BroadcastChannel(memory.prefix) : null;
  const seen = new Set(), blobs = new Map();
  let view = null, name = null, looking = null;

  const app = {
    api, memory, state: null, facts: null,
    outbox: null,

    /** The button of an introduction was pressed: show the part it introduces. */
    dismiss(what) {
      seen.add(what);
      app.pressed = true;
      render();
    },

    /** A file from the server, fetched once (unless `anew`); only those asked for last are kept. */
    media(file, anew = false) {
      if (anew) blobs.delete(file);
      if (!blobs.has(file)) {
        const coming = insist(() => api.media(file));
        coming.catch(() => blobs.delete(file));
        blobs.set(file, coming);
        for (const old of [...blobs.keys()].slice(0, -3)) blobs.delete(old);
      }
      return blobs.get(file);
    },

    /** Fetch the state from the server and show it. */
    look() {
      looking ||= insist(() => api.get('state')).then(app.take, app.lost).finally(() => { looking = null; });
      return looking;
    },

    /** Take a state from the server and show it. */
    take(state) {
      if (app.state && reached(state) < reached(app.state)) return;
      const further = app.state && reached(state) > reached(app.state);
      app.state = state;
      if (further && tabs) tabs.postMessage('further');
      render();
    },

    /** A rejected request: an unknown link ends the session, any other fetches the state. */
    lost(error) {
      if (!(error instanceof Refused)) throw error;
      if (error.reason === 'unknown' || error.reason === 'often') {
        show('lost', () => lostPage(error.message));
        app.gone = true;
        return undefined;
      }
      return app.look();
    },

    /** Tell other tabs that a sound begins here. */
    sounding() {
      if (tabs) tabs.postMessage('sounding');
    },
  };

  function render() {
    if (app.gone) return;
    const [key, page] = viewFor(app.state, app.facts, seen);
    showSteps(app.state, app.facts);
    if (key === name && view.update) view.update();
    else if (key !== name) show(key, page);
  }

  function show(key, page) {
    if (view && view.stop) view.stop();
    name = key;
    view = page(app);
    main.replaceChildren(view.node);
    main.dataset.page = key;
    window.scrollTo(0, 0);
    const heading = view.node.querySelector('h1');
    (view.first || heading).focus({ preventScroll: true });
    document.title = heading.textContent + ' · Listening test';
    if (view.update) view.update();
  }

  app.outbox = openOutbox(memory, api, app.take, (error, item) => {
    if (error.reason === 'conflict') mention('This was answered in another window already; that answer counts.');
    if (error.reason === 'not_played') memory.forget('heard');
    if (item.act === 'answer' && error.reason === 'value') mention(error.message);
    return app.lost(error);
  });

  if (tabs) {
    tabs.onmessage = ({ data }) => {
      if (data === 'further') app.look();
      else if (view && view.hush) view.hush();
    };
  }
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) app.look();
    else if (view && view.hush) view.hush();
  });
  window.addEventListener('pageshow', (event) => event.persisted && app.look());
  window.addEventListener('online', () => app.look());
  setInterval(() => name === 'paused' && !document.hidden && app.look(), 1000 * LOOK_SECONDS);

  return (async () => {
    if (!TOKEN.test(token)) throw new Refused('unknown', 'This link is not valid.');
    app.facts = await insist(() => api.get('facts'));
    await app.outbox.flush();
    await app.look();
  })().catch(app.lost);
}

function troubled() {
  main.replaceChildren(make('section', { class: 'card' },
    make('h1', { tabindex: '-1' }, 'Something went wrong on this page'),
    make('p', {}, 'Nothing you have done is lost. Please load the page again; you continue where you were.'),
    make('div', { class: 'row' }, make('button', {
      type: 'button', class: 'primary', onclick: () => location.reload(),
    }, 'Load again'))));
}

window.addEventListener('unhandledrejection', troubled);
window.addEventListener('error', (event) => event.error && troubled());
window.addEventListener('hashchange', () => location.reload());

const study = location.pathname.replace(/\/+$/, '').split('/').pop();
openPage(location.hash.slice(1), study);
