/* Places in the picture of a clip, in pixels of the 256-wide frame, and values at moments: rows whose first
   number is a time in seconds. */

const FRAME = 256, VIEW = 100;
const clamp = (value, least, most) => Math.max(least, Math.min(most, value));
const round = (value, digits) => Number(value.toFixed(digits));

/* Degrees to the left of the middle at x in a view of 100°. */
function degreesAt(x) {
  const offset = FRAME / 2 - x;
  return Math.atan(offset / (FRAME / 2) * Math.tan(VIEW / 2 * Math.PI / 180)) * 180 / Math.PI;
}

function sideAt(x) {
  const degrees = Math.round(degreesAt(x));
  return !degrees ? 'in the middle' : Math.abs(degrees) + '° to the ' + (degrees > 0 ? 'left' : 'right');
}

/* Put a row in the place of one that is at (about) its time, else between the others. */
function putRow(rows, row, near, most) {
  const at = rows.findIndex((one) => Math.abs(one[0] - row[0]) < near);
  if (at >= 0) rows[at] = [rows[at][0], ...row.slice(1)];
  else if (rows.length < most) rows.push(row);
  rows.sort((a, b) => a[0] - b[0]);
  return rows;
}
