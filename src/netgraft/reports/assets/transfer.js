// The drawings of a transfer: the matrix of distances, the map of the entries, the learning curves.

function transferPlots(transfer) {
  const { map, curve, error } = transfer || {};
  if (byId('heat-plot') && map) heatPlot(byId('heat-plot'), map);
  if (byId('near-plot') && map && map.places) nearPlot(byId('near-plot'), map);
  if (byId('curve-plot') && curve) curvePlot(byId('curve-plot'), curve, error);
}

function entryName(map, index) {
  return index === map.table ? 'this table' : map.names[index];
}

function entryKind(map, index) {
  if (index === map.table) return 'this';
  return map.used.includes(index) ? 'used' : 'entry';
}

function kindName(map, index) {
  return { this: 'the table of this search', used: 'a source that was tried', entry: 'an entry of the library' }[entryKind(map, index)];
}

// The number of an entry in the table of entries.
function rankOf(map, index) {
  return map.ranks[index] === null ? '' : String(map.ranks[index]);
}

function heatPlot(box, map) {
  const count = map.names.length;
  const known = map.distances.flatMap((row, i) => row.filter((value, j) => i !== j && isNumber(value)));
  const low = Math.min(...known), high = Math.max(...known);
  let at = [0, 0];
  keepDrawn(box, (width) => {
    const size = heatSize(map, Math.min(width, 620, 120 + count * 64));
    const { left, top, cell } = size, side = cell * count, most = cell >= 46 ? 0.72 : 1; // text must stay readable on a cell
    const strength = (value) => most - (most - 0.1) * (high > low ? (value - low) / (high - low) : 0.5);
    const svg = shape('svg', { viewBox: `0 0 ${left + side + 1} ${top + side + 1}`, width: left + side + 1, height: top + side + 1, role: 'group', tabindex: 0, 'aria-label': `Distances between ${count} tables. Arrow keys move between cells.` });
    heatLabels(svg, map, size);
    map.distances.forEach((row, i) => row.forEach((value, j) => {
      const place = { x: (left + j * cell + 0.5).toFixed(1), y: (top + i * cell + 0.5).toFixed(1), width: (cell - 1).toFixed(1), height: (cell - 1).toFixed(1), rx: Math.min(3, cell / 6) };
      if (i === j || !isNumber(value)) svg.append(shape('rect', { class: 'cell-empty', ...place }));
      else svg.append(shape('rect', { class: 'cell', 'fill-opacity': strength(value).toFixed(3), ...place }));
      if (i !== j && isNumber(value) && cell >= 46) svg.append(shape('text', { class: 'cell-value', x: left + (j + 0.5) * cell, y: top + (i + 0.5) * cell + 4 }, quantity(value, '')));
    }));
    const cursor = shape('rect', { class: 'cursor', width: cell, height: cell, visibility: 'hidden' });
    svg.append(cursor);
    const show = (i, j) => {
      at = [i, j];
      cursor.setAttribute('x', left + j * cell);
      cursor.setAttribute('y', top + i * cell);
      cursor.setAttribute('visibility', 'visible');
      const value = map.distances[i][j];
      showTip(i === j ? [entryName(map, i), kindName(map, i)] : [entryName(map, i), `and ${entryName(map, j)}`, `distance ${quantity(value, '')}`], cursor.getBoundingClientRect());
    };
    const hide = () => {
      cursor.setAttribute('visibility', 'hidden');
      hideTip();
    };
    heatMoves(svg, { count, show, hide, now: () => at, left, top, cell });
    box.replaceChildren(svg, high > low ? heatLegend(low, high, strength) : '');
    svg.style.maxWidth = `${left + side + 1}px`;
  });
}

// Names where they fit beside the cells, else the numbers of the table of entries.
function heatSize(map, width) {
  const count = map.names.length, top = 18;
  const longest = Math.max(...map.names.map((_, index) => `${rankOf(map, index)} ${entryName(map, index)}`.length));
  const wanted = longest * 6.3 + 8, left = Math.min(wanted, width * 0.36, width - 1 - count * 13);
  if (left >= Math.min(wanted, 80)) return { left, top, cell: (width - left - 1) / count, named: true };
  return { left: 22, top, cell: (width - 23) / count, named: false };
}

function heatLabels(svg, map, { left, top, cell, named }) {
  const every = Math.ceil(15 / cell), room = Math.floor((left - 8) / 6.3);
  map.names.forEach((_, index) => {
    const place = rankOf(map, index), self = index === map.table ? ' self' : '', name = entryName(map, index);
    const skipped = index % every !== 0 && !self;
    const text = named ? `${place} ${name}`.trim() : place || '◆';
    const row = { class: `cell-label name${self}`, x: left - 6, y: top + (index + 0.5) * cell + 4, 'text-anchor': 'end' };
    if (named || !skipped) svg.append(shape('text', row, text.length > room ? `${text.slice(0, Math.max(1, room - 1))}…` : text));
    if (!skipped) svg.append(shape('text', { class: `cell-label${self}`, x: left + (index + 0.5) * cell, y: top - 5, 'text-anchor': 'middle' }, place || '◆'));
  });
}

function heatMoves(svg, { count, show, hide, now, left, top, cell }) {
  const inside = (value) => Math.min(Math.max(value, 0), count - 1);
  const point = (event) => {
    const box = svg.getBoundingClientRect();
    const [i, j] = [(event.clientY - box.top - top) / cell, (event.clientX - box.left - left) / cell].map(Math.floor);
    if (i === inside(i) && j === inside(j)) show(i, j);
    else hide();
  };
  svg.addEventListener('pointermove', point);
  svg.addEventListener('pointerdown', point);
  svg.addEventListener('pointerleave', hide);
  svg.addEventListener('blur', hide);
  svg.addEventListener('focus', () => svg.matches(':focus-visible') && show(...now()));
  svg.addEventListener('keydown', (event) => {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    show(inside(now()[0] + step[0]), inside(now()[1] + step[1]));
  });
}

function heatLegend(low, high, strength) {
  const steps = [0, 0.25, 0.5, 0.75, 1].map((share, index) => shape('rect', { class: 'cell', x: index * 16, y: 2, width: 15, height: 12, 'fill-opacity': strength(low + share * (high - low)).toFixed(3) }));
  const bar = shape('svg', { viewBox: '0 0 80 16', class: 'ramp', 'aria-hidden': 'true' }, ...steps);
  return element('div', { class: 'legend' }, element('span', {}, `near, ${quantity(low, '')}`, bar, `far, ${quantity(high, '')}`));
}

// Both directions have one scale, so that distances on the page are distances.
function nearPlot(box, map) {
  const indices = map.names.map((_, index) => index);
  const [xs, ys] = [0, 1].map((axis) => map.places.map((place) => place[axis]));
  const spans = [xs, ys].map((values) => Math.max(...values) - Math.min(...values));
  const middles = [xs, ys].map((values) => (Math.max(...values) + Math.min(...values)) / 2);
  keepDrawn(box, (width) => {
    const pad = 30, wide = width - 2 * pad;
    const height = Math.min(Math.max((spans[1] / (spans[0] || 1)) * wide + 2 * pad + 24, 220), Math.max(width, 300), 460);
    const free = [wide / (spans[0] || 1e-12), (height - 2 * pad - 24) / (spans[1] || 1e-12)];
    const scale = spans[0] || spans[1] ? Math.min(...free) : 1;
    const at = (index) => [width / 2 + (xs[index] - middles[0]) * scale, (height - 24) / 2 - (ys[index] - middles[1]) * scale];
    const svg = shape('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'group', 'aria-label': `Map of ${indices.length} tables. Arrow keys move between them.` });
    svg.append(shape('rect', { class: 'cell-empty', x: 0.5, y: 0.5, width: width - 1, height: height - 1, rx: 8 }));
    if (spans[0] || spans[1]) ruler(svg, scale, width, height);
    const marks = indices.map((index) => nearMark(map, index, at(index)));
    svg.append(...marks.toReversed());
    nearLabels(svg, map, indices.map(at), width, height);
    roving(marks, map.names[0]);
    box.replaceChildren(svg, nearLegend(map));
  });
}

function nearMark(map, index, [x, y]) {
  const kind = entryKind(map, index), size = kind === 'entry' ? 4 : 6;
  const lines = [entryName(map, index), kindName(map, index)];
  if (map.table !== null && index !== map.table && isNumber(map.distances[map.table][index])) lines.push(`distance from this table: ${quantity(map.distances[map.table][index], '')}`);
  const mark = shape('g', { class: `mark ${kind}`, role: 'img', tabindex: -1, 'data-id': map.names[index], 'aria-label': lines.join(', '), transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` },
    shape('circle', { class: 'halo', r: 12 }), markShape(kind === 'this' ? 'stack' : 'network', size));
  const tip = () => showTip(lines, mark.getBoundingClientRect());
  mark.addEventListener('pointerenter', tip);
  mark.addEventListener('pointerleave', hideTip);
  mark.addEventListener('focus', () => mark.matches(':focus-visible') && tip());
  mark.addEventListener('blur', hideTip);
  return mark;
}

// Names where no other name or mark stands, else numbers: the table first, then the sources, then by nearness.
function nearLabels(svg, map, places, width, height) {
  const taken = places.map(([x, y]) => ({ x: x - 6, y: y - 6, w: 12, h: 12 }));
  const order = [...places.keys()].sort((a, b) => ['this', 'used', 'entry'].indexOf(entryKind(map, a)) - ['this', 'used', 'entry'].indexOf(entryKind(map, b)));
  for (const index of order) {
    const name = entryName(map, index), short = name.length > 24 ? `${name.slice(0, 23)}…` : name;
    const fitted = [short, rankOf(map, index)].filter(Boolean).map((text) => ({ text, spot: freeSpot(places[index], text.length * 6.7, taken, width, height) })).find(({ spot }) => spot);
    if (!fitted) continue;
    const { text, spot: { x, y, w, h } } = fitted;
    taken.push({ x, y, w, h });
    svg.append(shape('text', { class: entryKind(map, index) === 'entry' ? 'name' : 'label name', x: x.toFixed(1), y: (y + 11).toFixed(1), 'pointer-events': 'none' }, text));
  }
}

// The first box beside a mark that holds a text of that width and meets nothing else.
function freeSpot([x, y], w, taken, width, height) {
  const spots = [[x + 10, y - 7], [x - 10 - w, y - 7], [x - w / 2, y - 21], [x - w / 2, y + 9], [x + 7, y - 18], [x + 7, y + 5], [x - 7 - w, y - 18], [x - 7 - w, y + 5]];
  return spots.map(([left, top]) => ({ x: left, y: top, w, h: 14 })).find((box) => box.x >= 4 && box.x + w <= width - 4 && box.y >= 2 && box.y <= height - 38 && !taken.some((other) => overlaps(other, box)));
}

// How long a distance is on the map.
function ruler(svg, scale, width, height) {
  const most = (width * 0.3) / scale, power = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].map((each) => each * power).find((each) => each <= most) || power;
  const y = height - 12;
  svg.append(shape('path', { class: 'reach', d: `M12 ${y - 4}V${y}H${12 + length * scale}V${y - 4}` }));
  svg.append(shape('text', { x: 18 + length * scale, y: y + 1 }, `distance ${tickText(length, '')}`));
}

function nearLegend(map) {
  const kinds = ['this', 'used', 'entry'].filter((kind) => map.names.some((_, index) => entryKind(map, index) === kind));
  const names = { this: 'this table', used: 'source tried', entry: 'other entry' };
  return element('div', { class: 'legend' }, ...kinds.map((kind) => element('span', {},
    shape('svg', { viewBox: '-8 -8 16 16', 'aria-hidden': 'true', class: kind }, shape('g', { class: 'mark' }, markShape(kind === 'this' ? 'stack' : 'network', kind === 'entry' ? 4 : 5))), names[kind])));
}

function curvePlot(box, curve, error) {
  const both = [...curve.with, ...curve.cold];
  keepDrawn(box, (width) => {
    const area = frame({
      width, height: 240, label: `Error against seconds, with sources and cold: to ${plain(curve.with[curve.with.length - 1][1])} and ${plain(curve.cold[curve.cold.length - 1][1])}`,
      xValues: [0, ...both.map(([seconds]) => seconds)], yValues: both.map(([, value]) => value),
      xAxis: { label: 'seconds', unit: '', zero: true }, yAxis: { label: `error (${error})`, unit: '' },
    });
    for (const [name, pairs] of [['before', curve.cold], ['line', curve.with]]) {
      const steps = pairs.map(([seconds, value], index) => `${index ? 'H' : 'M'}${area.x.at(seconds).toFixed(1)}${index ? 'V' : ' '}${area.y.at(value).toFixed(1)}`);
      area.svg.append(shape('path', { class: name, d: steps.join('') }));
    }
    box.replaceChildren(area.svg, element('div', { class: 'legend' }, legendLine('line', 'with sources'), legendLine('before', 'cold start')));
  });
}
