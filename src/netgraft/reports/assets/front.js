// The front: two selectable axes, marks by family, the cloud of everything tried, limits, the step line of what is best.

function frontPlot(data, choose) {
  const box = byId('front-plot');
  const usable = data.axes.filter((axis) => data.points.some((point) => isNumber(point.at[axis.key])));
  if (!usable.length) {
    box.replaceChildren(element('p', { class: 'lead' }, 'No point has a value that could be drawn.'));
    return { redraw() {} };
  }
  const find = (key) => usable.find((axis) => axis.key === key);
  const state = { x: find('values.size') || find('parameters') || usable[0], y: find('values.error') || usable[usable.length - 1] };
  const redraw = () => box.clientWidth && drawFront(data, state, box, choose);
  frontControls(usable, state, redraw, data);
  keepDrawn(box, redraw);
  frontLegend(data);
  return { redraw };
}

function frontControls(axes, state, redraw, data) {
  byId('front-controls').hidden = false;
  byId('cloud-label').hidden = !cloudSize(data);
  for (const side of ['x', 'y']) {
    const select = byId(`axis-${side}`), log = byId(`log-${side}`);
    const groups = [...new Set(axes.map((axis) => axis.group))];
    select.replaceChildren(...groups.map((group) => element('optgroup', { label: group },
      ...axes.filter((axis) => axis.group === group).map((axis) => element('option', { value: axis.key }, axis.label)))));
    select.value = state[side].key;
    log.checked = logByDefault(data, state[side]);
    select.addEventListener('change', () => {
      state[side] = axes.find((axis) => axis.key === select.value);
      log.checked = logByDefault(data, state[side]);
      redraw();
    });
    log.addEventListener('change', redraw);
  }
  byId('cloud').addEventListener('change', redraw);
}

function logByDefault(data, axis) {
  if (!axis.unit && !['parameters', 'values.operations'].includes(axis.key)) return false;
  const values = data.points.map((point) => point.at[axis.key]).filter(isNumber);
  return Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 8;
}

function cloudSize(data) {
  return Math.max(0, ...Object.values(data.cloud.values).map((column) => column.length));
}

function cloudPairs(data, state, shown) {
  const xs = data.cloud.values[state.x.key] || [], ys = data.cloud.values[state.y.key] || [];
  if (!byId('cloud').checked) return [];
  return xs.map((value, index) => [value, ys[index]]).filter(([a, b]) => isNumber(a) && isNumber(b) && shown(a, b));
}

function drawFront(data, state, box, choose) {
  const points = data.points.filter((point) => isNumber(point.at[state.x.key]) && isNumber(point.at[state.y.key]));
  if (!points.length) {
    box.replaceChildren(element('p', { class: 'lead' }, 'No point has both of these values.'));
    return;
  }
  const at = (point) => [point.at[state.x.key], point.at[state.y.key]];
  const log = { x: positiveLog('x', points.map((point) => at(point)[0])), y: positiveLog('y', points.map((point) => at(point)[1])) };
  const [lowY, highY] = reach(points.map((point) => at(point)[1]), log.y);
  const tried = cloudPairs(data, state, (a, b) => (!log.x || a > 0) && (!log.y || b > 0) && b <= highY && b >= lowY);
  const width = box.clientWidth, height = Math.max(300, Math.min(480, width * 0.62));
  const limitX = data.limits[state.x.key], limitY = data.limits[state.y.key];
  const area = frame({
    width, height, role: 'group', label: `${points.length} points, ${state.x.label} across and ${state.y.label} up. Arrow keys move between points.`,
    xValues: [...points.map((point) => at(point)[0]), ...tried.map(([a]) => a), ...(isNumber(limitX) && near(limitX, points.map((point) => at(point)[0])) ? [limitX] : [])],
    yValues: [...points.map((point) => at(point)[1]), ...tried.map(([, b]) => b)],
    xAxis: { log: log.x, unit: state.x.unit, label: state.x.label }, yAxis: { log: log.y, unit: state.y.unit, label: state.y.label },
  });
  for (const [a, b] of tried) area.svg.append(shape('circle', { class: 'cloud', r: tried.length > 600 ? 1.2 : 1.8, cx: area.x.at(a).toFixed(1), cy: area.y.at(b).toFixed(1) }));
  drawLimits(area, limitX, limitY, state);
  drawSteps(area, points.filter((point) => point.family === 'network').map(at), state);
  const marks = points.sort((a, b) => at(a)[0] - at(b)[0]).map((point) => drawMark(area, point, at(point), data, state, choose, width / points.length < 9 ? 3.6 : 5));
  area.svg.append(...marks);
  drawLabels(area, points, at, data);
  roving(marks, data.chosen);
  box.replaceChildren(area.svg);
}

function positiveLog(side, values) {
  const box = byId(`log-${side}`);
  box.disabled = Math.min(...values) <= 0;
  return box.checked && !box.disabled;
}

// How far the cloud may stretch the picture beyond the front's own points.
function reach(values, log) {
  const low = Math.min(...values), high = Math.max(...values);
  if (log) return [low / 3, high * 3];
  const spread = high - low || Math.abs(high) || 1;
  return [low - spread * 0.6, high + spread * 0.6];
}

function near(limit, values) {
  return limit > 0 && limit < Math.max(...values) * 30 && limit > Math.min(...values) / 30;
}

function drawLimits(area, limitX, limitY, state) {
  if (isNumber(limitX) && limitX >= area.x.low && limitX <= area.x.high) {
    const x = area.x.at(limitX), end = x > (area.left + area.right) / 2;
    area.svg.append(shape('line', { class: 'limit', x1: x, x2: x, y1: area.top, y2: area.bottom }));
    area.svg.append(shape('text', { class: 'limit-name', x: x + (end ? -6 : 6), y: area.top + 12, 'text-anchor': end ? 'end' : 'start' }, `limit ${quantity(limitX, state.x.unit)}`));
  }
  if (isNumber(limitY) && limitY >= area.y.low && limitY <= area.y.high) {
    const y = area.y.at(limitY);
    area.svg.append(shape('line', { class: 'limit', x1: area.left, x2: area.right, y1: y, y2: y }));
    area.svg.append(shape('text', { class: 'limit-name', x: area.right, y: y - 6, 'text-anchor': 'end' }, `limit ${quantity(limitY, state.y.unit)}`));
  }
}

// The boundary of what the networks reach: from each best point across, then to the next.
function drawSteps(area, pairs, state) {
  const signX = state.x.high ? -1 : 1, signY = state.y.high ? -1 : 1;
  const sorted = pairs.slice().sort((a, b) => signX * (a[0] - b[0]) || signY * (a[1] - b[1]));
  const best = [];
  for (const pair of sorted) if (!best.length || signY * pair[1] < signY * best[best.length - 1][1]) best.push(pair);
  if (best.length < 2) return;
  const path = best.map(([a, b], index) => (index ? `H${area.x.at(a)}V${area.y.at(b)}` : `M${area.x.at(a)} ${area.y.at(b)}`));
  area.svg.append(shape('path', { class: 'steps', d: path.join('') }));
}

function describe(point, data, state) {
  const told = new Set([state.x.key, state.y.key]);
  const shown = data.axes.filter((axis) => isNumber(point.at[axis.key]) && (told.has(axis.key) || axis.group === 'Values' || axis.key === 'test error'));
  return [point.id, `${point.name}${point.shape === '–' ? '' : ` ${point.shape}`}`, ...shown.map((axis) => `${axis.label}: ${quantity(point.at[axis.key], axis.unit)}`)];
}

function drawMark(area, point, [a, b], data, state, choose, size) {
  const lines = describe(point, data, state), picked = point.id === data.picked, chosen = point.id === data.chosen;
  const mark = shape('g', {
    class: `mark ${familyClass(point.family)}${picked ? ' picked' : ''}${chosen ? ' chosen' : ''}`, role: 'button', tabindex: -1, 'data-id': point.id,
    'aria-pressed': chosen, 'aria-label': `${lines.join(', ')}${picked ? ', picked' : ''}`, transform: `translate(${area.x.at(a).toFixed(1)} ${area.y.at(b).toFixed(1)})`,
  }, shape('circle', { class: 'halo', r: 14 }), shape('circle', { class: 'ring', r: 9.5 }), markShape(point.family, size));
  const tip = () => showTip(lines, mark.getBoundingClientRect());
  mark.addEventListener('pointerenter', tip);
  mark.addEventListener('pointerleave', hideTip);
  mark.addEventListener('focus', () => mark.matches(':focus-visible') && tip());
  mark.addEventListener('blur', hideTip);
  mark.addEventListener('click', () => choose(point.id));
  mark.addEventListener('keydown', (event) => ['Enter', ' '].includes(event.key) && (event.preventDefault(), choose(point.id)));
  return mark;
}

// Name the picked point and the references, each where no other name stands.
function drawLabels(area, points, at, data) {
  const taken = points.map((point) => ({ x: area.x.at(at(point)[0]) - 6, y: area.y.at(at(point)[1]) - 6, w: 12, h: 12 }));
  for (const point of points) {
    const picked = point.id === data.picked;
    if (!picked && point.family === 'network') continue;
    const text = picked ? `${point.id.slice(0, 24)}, picked` : point.name, w = text.length * 6.9, h = 15;
    const [px, py] = [area.x.at(at(point)[0]), area.y.at(at(point)[1])];
    const spots = [[px + 14, py + 4], [px - 14 - w, py + 4], [px - w / 2, py - 16], [px - w / 2, py + 26], [px + 10, py - 14], [px + 10, py + 24], [px - 10 - w, py - 14], [px - 10 - w, py + 24]];
    const free = spots.find(([x, y]) => x >= area.left && x + w <= area.right + 12 && y > area.top && y < area.bottom && !taken.some((box) => overlaps(box, { x, y: y - 12, w, h })));
    const [x, y] = free || [Math.max(area.left, Math.min(px + 14, area.right - w)), Math.max(area.top + 12, py - 16)];
    taken.push({ x, y: y - 12, w, h });
    area.svg.append(shape('text', { class: 'label', x, y, 'pointer-events': 'none' }, text));
  }
}

function overlaps(a, b) {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

// One stop for the tab key; arrows move from mark to mark.
function roving(marks, chosen) {
  (marks.find((mark) => mark.dataset.id === chosen) || marks[0]).setAttribute('tabindex', 0);
  marks.forEach((mark, index) => mark.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const next = event.key === 'Home' ? marks[0] : event.key === 'End' ? marks[marks.length - 1] : step && marks[index + step];
    if (!next) return;
    event.preventDefault();
    marks.forEach((each) => each.setAttribute('tabindex', each === next ? 0 : -1));
    next.focus();
  }));
}

function frontLegend(data) {
  const families = [...new Map(data.points.map((point) => [point.family, point.name])).entries()];
  const items = families.map(([family, name]) => element('span', {},
    shape('svg', { viewBox: '-8 -8 16 16', 'aria-hidden': 'true', class: familyClass(family) }, shape('g', { class: 'mark' }, markShape(family, 5))), name));
  items.push(element('span', {}, shape('svg', { viewBox: '-8 -8 16 16', 'aria-hidden': 'true', class: 'network' }, shape('g', { class: 'mark picked' }, shape('circle', { class: 'ring', r: 6.5 }))), 'picked'));
  if (cloudSize(data)) items.push(element('span', {}, shape('svg', { viewBox: '-8 -8 16 16', 'aria-hidden': 'true' }, shape('circle', { class: 'cloud', r: 3 })), `${data.cloud.total.toLocaleString('en-US')} tried`));
  byId('front-legend').replaceChildren(...items);
}
