/* The clip to rate, and how much of it was played. The video is a Blob, so its address is opaque;
   there is no seeking, and time counts only while the clip plays at its own speed. */

import { icon, make } from './dom.js';

/** A stage with a video. `onChange(player)` is called after every change of the player's state. */
export function clipStage(onChange) {
  const video = make('video', {
    playsinline: true, preload: 'auto', tabindex: '-1', disablepictureinpicture: true,
    disableremoteplayback: true, 'aria-label': 'The clip to rate',
  });
  const big = make('button', { type: 'button', class: 'big', tabindex: '-1', 'aria-hidden': 'true' }, icon('play'));
  const line = make('i');
  const node = make('div', { class: 'clip' },
    make('div', { class: 'stage' }, video, big),
    make('div', { class: 'line', 'aria-hidden': 'true' }, line));

  let address = null, last = 0, lastClock = 0, beginning = true, frame = 0;
  let playback = fresh();

  function fresh() {
    return { plays: 0, seconds: 0, covered: 0, ended: null };
  }

  const player = {
    node,
    video,
    get state() {
      if (video.error) return 'broken';
      if (!address || video.readyState < 2) return 'loading';
      if (video.ended) return 'ended';
      return video.paused ? 'ready' : 'playing';
    },
    get playback() { return { ...playback }; },

    /** Show a clip; `before` is its playback before the page was reloaded. */
    open(blob, before) {
      player.close();
      playback = { ...fresh(), ...before };
      address = URL.createObjectURL(blob);
      video.src = address;
    },

    close() {
      cancelAnimationFrame(frame);
      video.pause();
      if (address) URL.revokeObjectURL(address);
      address = null;
      beginning = true;
      last = 0;
      playback = fresh();
      video.removeAttribute('src');
      video.load();
      draw();
    },

    /** Play from the present position, from the beginning after the end. */
    play() {
      if (!address || video.error) return;
      if (video.ended) rewind();
      lastClock = performance.now() / 1000;
      video.muted = false;
      video.volume = 1;
      video.playbackRate = 1;
      video.play().catch(changed);
    },

    again() {
      rewind();
      player.play();
    },

    pause() {
      video.pause();
    },
  };

  function rewind() {
    video.currentTime = 0;
    last = 0;
    beginning = true;
  }

  /* A step counts if it is forward and no longer than the clock's, else it was a jump. */
  function count() {
    const time = video.currentTime, clock = performance.now() / 1000;
    const step = time - last;
    if (step > 0 && step <= 1.1 * (clock - lastClock) + 0.1) playback.seconds += step;
    if (beginning) playback.plays += 1;
    beginning = false;
    last = time;
    lastClock = clock;
    let covered = 0;
    for (let i = 0; i < video.played.length; i += 1) covered += video.played.end(i) - video.played.start(i);
    playback.covered = Math.max(playback.covered, Math.min(covered, playback.seconds));
  }

  function draw() {
    const share = video.duration ? Math.min(1, video.currentTime / video.duration) : 0;
    line.style.transform = 'scaleX(' + (address ? share : 0).toFixed(4) + ')';
  }

  function tick() {
    if (video.paused || video.ended || !address) return;
    count();
    draw();
    frame = requestAnimationFrame(tick);
    onChange(player);
  }

  function changed() {
    draw();
    big.hidden = player.state !== 'ready';
    node.dataset.state = player.state;
    onChange(player);
  }

  function toggle() {
    if (player.state === 'playing') player.pause();
    else if (player.state !== 'loading') player.play();
  }

  const on = (name, act) => video.addEventListener(name, act);
  on('playing', () => {
    cancelAnimationFrame(frame);
    tick();
    changed();
  });
  on('timeupdate', () => {
    if (!video.paused) count();
  });
  on('pause', () => {
    if (address && !beginning) count();
    changed();
  });
  on('ended', () => {
    if (!address) return;
    count();
    playback.ended ??= Date.now();
    changed();
  });
  on('ratechange', () => {
    if (video.playbackRate !== 1) video.playbackRate = 1;
  });
  on('loadeddata', changed);
  on('error', () => address && changed());
  on('contextmenu', (event) => event.preventDefault());
  on('click', toggle);
  big.addEventListener('click', toggle);
  quietMediaKeys();
  changed();
  return player;
}

/* Buttons on headphones and keyboards must not jump within a clip or to another one. */
function quietMediaKeys() {
  for (const name of ['seekbackward', 'seekforward', 'seekto', 'previoustrack', 'nexttrack']) {
    try {
      navigator.mediaSession.setActionHandler(name, () => {});
    } catch { /* this browser has no such key */ }
  }
}
