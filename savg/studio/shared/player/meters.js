/* Loudness of both channels: measured while audio plays, from the annotation while it does not. */

const METER_FLOOR = -60;

function createMeters(video, root) {
  const bars = {};
  for (const side of ['left', 'right']) {
    bars[side] = root.querySelector('.sp-meter[data-side="' + side + '"]');
  }
  let context = null, taps = null, buffer = null, gain = null, quieter = 0;

  /* An audio context may start only in a user's gesture; before that, audio plays without it. */
  function connect() {
    const Context = window.AudioContext || window.webkitAudioContext;
    if (!Context) return;
    if (!context) {
      context = new Context();
      const source = context.createMediaElementSource(video);
      const splitter = context.createChannelSplitter(2);
      gain = context.createGain();
      source.connect(gain);
      gain.connect(context.destination);
      quieten(quieter);
      source.connect(splitter);
      taps = [0, 1].map((channel) => {
        const analyser = context.createAnalyser();
        analyser.fftSize = 2048;
        splitter.connect(analyser, channel);
        return analyser;
      });
      buffer = new Float32Array(2048);
    }
    if (context.state !== 'running') context.resume();
  }

  /* Play both channels so many dB quieter than the file has them; the meters show the file. */
  function quieten(decibels) {
    quieter = decibels;
    if (gain) gain.gain.value = Math.pow(10, -quieter / 20);
  }

  /* The level in the file: the volume slider acts before the taps, and is taken out again. */
  function measured() {
    const gain = 20 * Math.log10(video.volume);
    return taps.map((analyser) => {
      analyser.getFloatTimeDomainData(buffer);
      let power = 0;
      for (const sample of buffer) power += sample * sample;
      return Math.max(METER_FLOOR, 10 * Math.log10(Math.max(power / buffer.length, 1e-12)) - gain);
    });
  }

  function stored(annotation, time) {
    const levels = annotation && annotation.levels;
    if (!levels || !levels.left_db.length) return [METER_FLOOR, METER_FLOOR];
    const i = Math.min(levels.left_db.length - 1, Math.floor(time * levels.rate + 1e-3));
    return [levels.left_db[i], levels.right_db[i]];
  }

  function show(annotation, time) {
    const live = !video.paused && taps && context.state === 'running' && !video.muted
      && video.volume > 0.02;
    const [left, right] = live ? measured() : stored(annotation, time);
    for (const [side, level] of [['left', left], ['right', right]]) {
      const share = Math.max(0, Math.min(1, 1 - level / METER_FLOOR));
      bars[side].style.setProperty('--level', share.toFixed(3));
      bars[side].setAttribute('aria-valuenow', Math.round(Math.max(METER_FLOOR, level)));
    }
    return { left, right, source: live ? 'audio' : 'annotation' };
  }

  return { connect, show, quieten, quieter: () => quieter };
}
