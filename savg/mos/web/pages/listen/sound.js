/* Screening sounds, played unchanged: decoded at their own 48 kHz and sent to the output without any
   gain or mixing; channel 0 is the left ear. */

export const RATE = 48000;

let context = null;

/** The only AudioContext; browsers allow audio after the first press of a button. */
export function audio() {
  if (!context) {
    try {
      context = new AudioContext({ sampleRate: RATE, latencyHint: 'playback' });
    } catch {
      context = new AudioContext();
    }
  }
  return context;
}

/** An AudioBuffer of a WAV or FLAC file (a Blob), at the context's rate. */
export async function decode(blob) {
  return audio().decodeAudioData(await blob.arrayBuffer());
}

/** The rate and number of channels of the browser's audio output, 0 if unknown. */
export function output() {
  try {
    const { sampleRate, destination } = audio();
    return { rate: sampleRate, channels: destination.maxChannelCount };
  } catch {
    return { rate: 0, channels: 0 };
  }
}

/** Play a buffer. `onTick(seconds)` is called in every frame, `onEnd(whole)` at the end: whether all of
    it was played. */
export function start(buffer, { loop = false, onTick, onEnd }) {
  const now = audio(), source = now.createBufferSource();
  let begun = null, over = false, frame = 0;
  source.buffer = buffer;
  source.loop = loop;
  source.connect(now.destination);

  function elapsed() {
    if (begun === null) return 0;
    return Math.max(0, now.currentTime - begun);
  }

  function tick() {
    if (over) return;
    onTick(loop ? elapsed() : Math.min(elapsed(), buffer.duration));
    frame = requestAnimationFrame(tick);
  }

  function finish(whole) {
    if (over) return;
    over = true;
    cancelAnimationFrame(frame);
    source.onended = null;
    try {
      source.stop();
    } catch { /* it never started */ }
    source.disconnect();
    onEnd(whole);
  }

  source.onended = () => finish(elapsed() >= 0.95 * buffer.duration);
  now.resume().then(() => {
    if (over) return;
    begun = now.currentTime + 0.05;
    source.start(begun);
    tick();
  }, () => finish(false));
  return { stop: () => finish(false) };
}
