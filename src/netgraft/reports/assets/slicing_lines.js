// Figures of lines: bands and levels, a legend whose keys show and hide, a cursor that reads values.

const MOST_DOTS = 12;

// Series are {name, label, kind, on, x, y, low?, high?, level?, scatter?}; marks are {x, text}; beyond `split` the series
// named `long` is dashed; `wide` is how much of x a mean may take, to be chosen beside what is told as it is.
function linesPlot(box, { series, xAxis, yAxis, label, marks = [], height = 260, split = null, long = null, wide = null }) {
  const on = new Set(series.filter((each) => each.on).map((each) => each.name));
  const counts = {};
  const styled = series.map((each) => {
    counts[each.kind] = (counts[each.kind] ?? -1) + 1;
    return { ...each, style: `curve ${each.kind} dash${counts[each.kind] % 4}${each.level ? ' level' : ''}` };
  });
  const inner = element('div', {});
  let mean = wide;
  const draw = (width) => {
    const shown = styled.filter((each) => on.has(each.name)).map((each) => (mean && !each.level ? averaged(each, mean) : each));
    const told = shown.length ? shown : styled;
    const area = frame({
      width, height, role: 'group', label: `${label}: ${shown.map((each) => each.label).join(', ') || 'nothing is shown'}. Arrow keys read values.`,
      xValues: told.flatMap((each) => each.x), yValues: told.flatMap(extent), xAxis, yAxis,
    });
    if (area.y.low < 0 && area.y.high > 0) area.svg.append(shape('line', { class: 'axis', x1: area.left, x2: area.right, y1: area.y.at(0), y2: area.y.at(0) }));
    drawMarks(area, marks);
    shown.forEach((each) => each.low && area.svg.append(shape('path', { class: `band ${each.kind}`, d: bandPath(area, each) })));
    shown.forEach((each) => drawCurve(area, each, each.name === long ? split : null));
    readValues(area, shown, xAxis);
    inner.replaceChildren(area.svg);
  };
  if (wide) box.append(switcher('Mean over', [`${plain(wide)} ${xAxis.label}s`, 'as recorded'], (index) => {
    mean = index ? null : wide;
    draw(inner.clientWidth);
  }));
  box.append(inner, series.length > 1 || on.size < series.length ? keys(styled, on, () => draw(inner.clientWidth)) : '');
  keepDrawn(inner, draw);
}

// The series with means over so much of x around each place, or over what there is of it.
function averaged(series, wide) {
  const { x } = series;
  let first = 0, end = 0;
  const ranges = x.map((at) => {
    while (x[first] < at - wide / 2) first += 1;
    while (end < x.length && x[end] <= at + wide / 2) end += 1;
    return [first, end];
  });
  const means = (values) => values && ranges.map(([from, to]) => {
    const known = values.slice(from, to).filter(isNumber);
    return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
  });
  return { ...series, y: means(series.y), low: means(series.low), high: means(series.high) };
}

function extent(series) {
  return [...series.y, ...(series.low || []), ...(series.high || [])].filter(isNumber);
}

function drawMarks(area, marks) {
  for (const { x, text } of marks.filter((mark) => mark.x > area.x.low && mark.x < area.x.high)) {
    const place = area.x.at(x), end = place > (area.left + area.right) / 2;
    area.svg.append(shape('line', { class: 'limit', x1: place, x2: place, y1: area.top, y2: area.bottom }));
    area.svg.append(shape('text', { class: 'limit-name', x: place + (end ? -6 : 6), y: area.bottom - 8, 'text-anchor': end ? 'end' : 'start' }, text));
  }
}

function linePath(area, series, from, to) {
  const places = series.x.map((x, index) => [x, series.y[index]]).filter(([x]) => x >= from && x <= to);
  return places.map(([x, y], index) => `${index ? 'L' : 'M'}${area.x.at(x).toFixed(1)} ${area.y.at(y).toFixed(1)}`).join('');
}

function bandPath(area, series) {
  const rows = series.x.map((x, index) => [area.x.at(x).toFixed(1), series.low[index], series.high[index]]).filter(([, low, high]) => isNumber(low) && isNumber(high));
  if (rows.length < 2) return '';
  const up = rows.map(([x, , high]) => `${x} ${area.y.at(high).toFixed(1)}`), down = rows.toReversed().map(([x, low]) => `${x} ${area.y.at(low).toFixed(1)}`);
  return `M${[...up, ...down].join('L')}Z`;
}

function drawCurve(area, series, split) {
  if (!series.scatter) area.svg.append(shape('path', { class: series.style, d: linePath(area, series, -Infinity, split ?? Infinity) }));
  if (split !== null) area.svg.append(shape('path', { class: `${series.style} later`, d: linePath(area, series, split, Infinity) }));
  if (!series.scatter && (series.x.length > MOST_DOTS || series.level)) return;
  series.x.forEach((x, index) => area.svg.append(shape('circle', { class: `curve-dot ${series.kind}`, r: 3, cx: area.x.at(x).toFixed(1), cy: area.y.at(series.y[index]).toFixed(1) })));
}

// Keys of what is shown at first, and the others folded.
function keys(series, on, change) {
  const make = (each) => {
    const sample = shape('svg', { viewBox: '-12 -8 24 16', 'aria-hidden': 'true' }, each.scatter ? shape('circle', { class: `curve-dot ${each.kind}`, r: 4 }) : shape('path', { class: each.style, d: 'M-12 0H12' }));
    const key = element('button', { type: 'button', class: 'key', 'aria-pressed': on.has(each.name), 'data-name': each.name }, sample, element('span', { class: 'name' }, each.label));
    key.addEventListener('click', () => {
      if (!on.delete(each.name)) on.add(each.name);
      key.setAttribute('aria-pressed', on.has(each.name));
      change();
    });
    return key;
  };
  const [first, others] = [true, false].map((shown) => series.filter((each) => on.has(each.name) === shown).map(make));
  const more = element('details', { class: 'more-keys' }, element('summary', {}, `${others.length} more`), element('div', { class: 'legend keys' }, ...others));
  return element('div', {}, element('div', { class: 'legend keys' }, ...first), others.length ? more : null);
}

// A line that follows the pointer or the arrow keys, and a tip with the value of each series there.
function readValues(area, shown, xAxis) {
  const { svg, left, right, top, bottom, x } = area;
  const cursor = shape('line', { class: 'read', y1: top, y2: bottom, visibility: 'hidden' });
  const [first, last] = [Math.min(...shown.flatMap((each) => each.x)), Math.max(...shown.flatMap((each) => each.x))];
  const ends = [x.at(first), x.at(last)];
  let at = ends[0];
  svg.append(cursor);
  const show = (place) => {
    if (!shown.length) return;
    at = Math.min(Math.max(place, ends[0]), ends[1]);
    cursor.setAttribute('x1', at);
    cursor.setAttribute('x2', at);
    cursor.setAttribute('visibility', 'visible');
    const share = (at - left) / (right - left);
    const value = x.log ? x.low * (x.high / x.low) ** share : x.low + share * (x.high - x.low);
    const box = svg.getBoundingClientRect();
    showTip([`${xAxis.label} ${plain(Number(value.toPrecision(3)))}`, ...shown.map((each) => `${each.label}: ${valueText(valueAt(each, value))}`)], { left: box.left + at, width: 0, top: box.top + top, bottom: box.top + bottom });
  };
  const hide = () => {
    cursor.setAttribute('visibility', 'hidden');
    hideTip();
  };
  for (const name of ['pointermove', 'pointerdown']) svg.addEventListener(name, (event) => show(event.clientX - svg.getBoundingClientRect().left));
  svg.addEventListener('pointerleave', hide);
  svg.addEventListener('blur', hide);
  svg.addEventListener('focus', () => svg.matches(':focus-visible') && show(at));
  svg.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    show(at + (step * (ends[1] - ends[0])) / 40);
  });
  svg.setAttribute('tabindex', 0);
}

// The value at a place between two points of a series, or null beyond its ends.
function valueAt(series, x) {
  const { x: xs, y: ys } = series, slack = (xs[xs.length - 1] - xs[0]) * 1e-6;
  if (x < xs[0] - slack || x > xs[xs.length - 1] + slack) return null;
  const after = xs.findIndex((value) => value >= x);
  if (after <= 0) return after ? ys[ys.length - 1] : ys[0];
  const share = (x - xs[after - 1]) / (xs[after] - xs[after - 1] || 1);
  return ys[after - 1] + share * (ys[after] - ys[after - 1]);
}

function valueText(value) {
  return isNumber(value) ? tickText(Number(value.toPrecision(3)), '') : '–';
}
