/* Screening sounds, heard exactly as they were made: decoded at their own 48 kHz and sent to the
   output without any gain or mixing; channel 0 is the left ear. */

export const RATE = 48000;

let context = null;

/** The one AudioContext; the browser lets it sound after the first press of a button. */
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

/** What the browser says about its sound output. */
export function output() {
  try {
    const { sampleRate, destination } = audio();
    return { rate: sampleRate, channels: destination.maxChannelCount };
  } catch {
    return { rate: 0, channels: 0 };
  }
}

/** Play a buffer. `onTick(seconds)` follows, `onEnd(whole)` says whether all of it was heard. */
export function start(buffer, { loop = false, onTick, onEnd }) {
  const now = audio(), source = now.createBufferSource();
  let begun = null, over = false, frame = 0;
  source.buffer = buffer;
  source.loop = loop;
  source.connect(now.destination);

  function heard() {
    if (begun === null) return 0;
    return Math.max(0, now.currentTime - begun);
  }

  function tick() {
    if (over) return;
    onTick(loop ? heard() : Math.min(heard(), buffer.duration));
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

  source.onended = () => finish(heard() >= 0.95 * buffer.duration);
  now.resume().then(() => {
    if (over) return;
    begun = now.currentTime + 0.05;
    source.start(begun);
    tick();
  }, () => finish(false));
  return { stop: () => finish(false) };
}
