/* What is drawn over the frame. Coordinates of an annotation are pixels of its size × size frame;
   `view` tells which part of that frame the stage shows and how large. */

function frameAt(mediaTime, format) {
  return Math.max(0, Math.min(format.frames - 1, Math.floor(mediaTime * format.fps + 1e-3)));
}

function eventFrameAt(time, format) {
  return Math.max(0, Math.floor(time * format.label_fps + 1e-3));
}

function makeView(canvas, annotation, crop) {
  const box = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(box.width * ratio));
  const height = Math.max(1, Math.round(box.height * ratio));
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const scale = width / annotation.format.size;
  return { width, height, ratio, scale, top: crop.top,
           x: (x) => x * scale, y: (y) => (y - crop.top) * scale };
}

function hatch(context, colour, ratio) {
  const side = Math.round(9 * ratio);
  const tile = document.createElement('canvas');
  tile.width = tile.height = side;
  const pen = tile.getContext('2d');
  pen.strokeStyle = colour;
  pen.lineWidth = 1.6 * ratio;
  for (const shift of [-side, 0, side]) {
    pen.beginPath();
    pen.moveTo(shift - 2, side + 2);
    pen.lineTo(shift + side + 2, -2);
    pen.stroke();
  }
  return context.createPattern(tile, 'repeat');
}

function drawTag(context, view, text, centre, top, colour) {
  const size = Math.max(9, Math.min(12, view.width / view.ratio / 34)) * view.ratio, pad = 4 * view.ratio;
  context.font = '600 ' + size + 'px system-ui, sans-serif';
  const width = context.measureText(text).width + 2 * pad, height = size + 2 * pad;
  const left = Math.max(0, Math.min(view.width - width, centre - width / 2));
  const y = Math.max(0, Math.min(view.height - height, top));
  context.fillStyle = 'rgba(16, 20, 24, 0.86)';
  context.fillRect(left, y, width, height);
  context.strokeStyle = colour;
  context.lineWidth = view.ratio;
  context.strokeRect(left, y, width, height);
  context.fillStyle = '#fff';
  context.textBaseline = 'middle';
  context.fillText(text, left + pad, y + height / 2 + 0.5 * view.ratio);
}

function drawBox(context, view, row, colors) {
  const left = view.x(row.x0), top = view.y(row.y0);
  const width = view.x(row.x1) - left, height = view.y(row.y1) - top;
  for (const [colour, line] of [[colors.person_casing, 4], [colors.person, 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = line * view.ratio;
    context.strokeRect(left, top, width, height);
  }
}

function tagBox(context, view, row, colors) {
  const score = row.score === null || row.score === undefined ? '' : ' ' + row.score.toFixed(2);
  const centre = view.x((row.x0 + row.x1) / 2);
  drawTag(context, view, 'person' + score, centre, view.y(row.y0) + 3 * view.ratio, colors.person);
}

/* A label of a dataset is not judged where the set has no boxes: `matched` is null then. Labels know
   their height in the frame too, and get a target there. */
function judged(event) {
  return event.matched !== null;
}

function eventColour(event, colors) {
  return !judged(event) ? colors[event.label] : event.matched ? colors.tp : colors.fn;
}

/* A line from top to bottom, stroke upon stroke: [width in CSS pixels, colour] each. */
function drawUpright(context, view, x, dash, strokes) {
  context.setLineDash(dash);
  for (const [line, colour] of strokes) {
    context.strokeStyle = colour;
    context.lineWidth = line * view.ratio;
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, view.height);
    context.stroke();
  }
  context.setLineDash([]);
}

function drawBand(context, view, event, colors, half) {
  const colour = eventColour(event, colors), missed = judged(event) && !event.matched;
  const left = view.x(event.x - half), right = view.x(event.x + half), centre = view.x(event.x);
  context.save();
  context.globalAlpha = event.matched ? 0.3 : missed ? 0.14 : 0.2;
  context.fillStyle = colour;
  context.fillRect(left, 0, right - left, view.height);
  if (missed) {
    context.globalAlpha = 0.75;
    context.fillStyle = hatch(context, colour, view.ratio);
    context.fillRect(left, 0, right - left, view.height);
  }
  context.globalAlpha = 1;
  const dash = missed ? [7 * view.ratio, 5 * view.ratio] : [];
  drawUpright(context, view, centre, dash, [[4, 'rgba(16, 20, 24, 0.8)'], [2, colour]]);
  if (judged(event)) {
    drawMark(context, view, event.matched, centre, view.height - 14 * view.ratio, colour);
  }
  if (event.y !== undefined) drawTarget(context, view, centre, view.y(event.y), colour);
  context.restore();
}

function tagBand(context, view, event, colors) {
  const text = event.label + (!judged(event) ? '' : event.matched ? ' · TP' : ' · FN');
  const top = view.height - (46 + 22 * event.category) * view.ratio;
  drawTag(context, view, text, view.x(event.x), top, eventColour(event, colors));
}

function drawMark(context, view, matched, x, y, colour) {
  const r = 6 * view.ratio;
  const outline = () => {
    context.beginPath();
    if (matched) {
      context.arc(x, y, r, 0, 2 * Math.PI);
    } else {
      context.moveTo(x - r, y - r); context.lineTo(x + r, y + r);
      context.moveTo(x + r, y - r); context.lineTo(x - r, y + r);
    }
  };
  context.lineCap = 'round';
  outline();
  context.strokeStyle = '#101418';
  context.lineWidth = 6 * view.ratio;
  context.stroke();
  outline();
  context.strokeStyle = colour;
  context.lineWidth = 3 * view.ratio;
  context.stroke();
  if (matched) {
    context.fillStyle = colour;
    context.fill();
  }
}

function drawTarget(context, view, x, y, colour) {
  for (const [line, tint] of [[6, '#101418'], [3, colour]]) {
    context.strokeStyle = tint;
    context.lineWidth = line * view.ratio;
    context.beginPath();
    context.arc(x, y, 13 * view.ratio, 0, 2 * Math.PI);
    context.stroke();
  }
  context.fillStyle = '#fff';
  context.beginPath();
  context.arc(x, y, 3 * view.ratio, 0, 2 * Math.PI);
  context.fill();
}

/* Draw one moment and return the rows that were drawn. */
function drawOverlay(canvas, annotation, crop, frame, eventFrame, layers) {
  const context = canvas.getContext('2d');
  const view = makeView(canvas, annotation, crop);
  context.clearRect(0, 0, view.width, view.height);
  const bands = layers.bands ? annotation.events.filter((e) => e.frame === eventFrame) : [];
  const boxes = layers.boxes ? annotation.boxes.filter((b) => b.frame === frame) : [];
  const { colors, band } = annotation;
  for (const event of bands) drawBand(context, view, event, colors, band.half_width);
  for (const row of boxes) drawBox(context, view, row, colors);
  if (layers.labels) {
    for (const row of boxes) tagBox(context, view, row, colors);
    for (const event of bands) tagBand(context, view, event, colors);
  }
  return { boxes, bands };
}
