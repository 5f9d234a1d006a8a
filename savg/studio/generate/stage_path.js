/* A path over a clip: moments [seconds, x], in order; nothing of the page. */

const THIN = 3, MOST_MOMENTS = 64;

/* x between moments; outside them it stays. */
function placeAt(moments, time) {
  const after = moments.findIndex(([at]) => at >= time);
  if (after <= 0) return moments[after < 0 ? moments.length - 1 : 0][1];
  const [[a, x], [b, y]] = [moments[after - 1], moments[after]];
  return x + (y - x) * (time - a) / (b - a);
}

/* The moments of a stroke without those that are (about) on the line of their neighbours. */
function thinned(moments) {
  if (moments.length < 3) return moments;
  const ends = [moments[0], moments[moments.length - 1]];
  const off = moments.map(([time, x]) => Math.abs(x - placeAt(ends, time)));
  const most = off.indexOf(Math.max(...off));
  if (off[most] <= THIN) return ends;
  return [...thinned(moments.slice(0, most + 1)).slice(0, -1), ...thinned(moments.slice(most))];
}

/* The moments with those of a stroke in place of what was at its times. */
function drawnOver(moments, stroke) {
  const [first, last] = [stroke[0][0], stroke[stroke.length - 1][0]];
  const rest = moments.filter(([time]) => time < first || time > last);
  return [...rest, ...thinned(stroke)].sort((a, b) => a[0] - b[0]);
}
