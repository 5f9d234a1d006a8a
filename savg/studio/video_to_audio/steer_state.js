/* What a visitor has drawn over one video; nothing of the page. Boxes are x0, y0, x1, y1 in pixels of the
   256×256 frame, times seconds, levels dB of full scale. */

const SNAP = 0.08, LEAST = 8, FLOOR = -60, FALL = 40, MOST_ROWS = 200;

/* The box between rows [seconds, x0, y0, x1, y1]; outside them the ends, or nothing unless `held`. */
function boxAt(rows, time, held) {
  if (!rows.length || (!held && (time < rows[0][0] || time > rows[rows.length - 1][0]))) return null;
  const after = rows.findIndex((row) => row[0] >= time);
  if (after === 0) return rows[0].slice(1);
  if (after < 0) return rows[rows.length - 1].slice(1);
  const [a, b] = [rows[after - 1], rows[after]], share = (time - a[0]) / (b[0] - a[0]);
  return a.slice(1).map((value, i) => value + share * (b[i + 1] - value));
}

function sideWords(box) {
  return sideAt((box[0] + box[2]) / 2);
}

/* A box within the frame; whole boxes are pushed back, corners are cut. */
function within(box, whole) {
  let [x0, y0, x1, y1] = box;
  if (whole) {
    const x = clamp(x0, 0, Math.max(0, FRAME - (x1 - x0))) - x0, y = clamp(y0, 0, Math.max(0, FRAME - (y1 - y0))) - y0;
    [x0, x1, y0, y1] = [x0 + x, x1 + x, y0 + y, y1 + y];
  }
  [x0, x1] = [Math.min(x0, x1), Math.max(x0, x1)].map((v) => clamp(v, 0, FRAME));
  [y0, y1] = [Math.min(y0, y1), Math.max(y0, y1)].map((v) => clamp(v, 0, FRAME));
  if (x1 - x0 < LEAST) [x0, x1] = x0 > FRAME - LEAST ? [FRAME - LEAST, FRAME] : [x0, x0 + LEAST];
  if (y1 - y0 < LEAST) [y0, y1] = y0 > FRAME - LEAST ? [FRAME - LEAST, FRAME] : [y0, y0 + LEAST];
  return [x0, y0, x1, y1].map((v) => round(v, 1));
}

/* dB at a time after onsets [seconds, dB]: each rises at once and falls by FALL dB in `length`. */
function drawnLevel(onsets, length, time) {
  return onsets.reduce((level, [at, peak]) => (time < at ? level
    : Math.max(level, peak - FALL * (time - at) / length)), FLOOR);
}
