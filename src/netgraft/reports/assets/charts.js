// The other drawings: progress, predicted against true, reliability, error by choice.

function historyPlot(data) {
  const box = byId('history-plot');
  if (!box) return;
  const rows = data.history.filter((row) => isNumber(row[2]));
  const sides = [[0, 'seconds', 's'], [1, 'evaluations', '']].filter(([column]) => rows.some((row) => isNumber(row[column])));
  if (rows.length < 2 || !sides.length) return;
  const state = { side: sides[0] };
  const inner = element('div', {});
  if (sides.length > 1) box.append(switcher('Against', sides.map((side) => side[1]), (index) => {
    state.side = sides[index];
    draw(inner.clientWidth);
  }));
  box.append(inner);
  const draw = (width) => {
    const [column, label] = state.side;
    const kept = rows.filter((row) => isNumber(row[column]));
    const last = kept[kept.length - 1][2];
    const area = frame({
      width, height: 230, label: `Hypervolume against ${label}: from ${plain(kept[0][2])} to ${plain(last)}`,
      xValues: [0, ...kept.map((row) => row[column])], yValues: kept.map((row) => row[2]),
      xAxis: { label, unit: '', zero: true }, yAxis: { label: 'hypervolume', unit: '' },
    });
    const path = kept.map((row, index) => (index ? `H${area.x.at(row[column]).toFixed(1)}V${area.y.at(row[2]).toFixed(1)}` : `M${area.x.at(row[column]).toFixed(1)} ${area.y.at(row[2]).toFixed(1)}`)).join('');
    area.svg.append(shape('path', { class: 'line', d: path }));
    area.svg.append(shape('text', { class: 'label', x: area.right, y: area.y.at(last) - 8, 'text-anchor': 'end' }, plain(last)));
    inner.replaceChildren(area.svg);
  };
  keepDrawn(inner, draw);
}

function switcher(label, names, change) {
  const select = element('select', {}, ...names.map((name, index) => element('option', { value: index }, name)));
  select.addEventListener('change', () => change(Number(select.value)));
  return element('div', { class: 'controls' }, element('label', {}, `${label} `, select));
}

function predictedPlot(data) {
  const box = byId('predicted-plot'), told = data.predicted;
  if (!box || !told) return;
  const rows = told.true.map((value, index) => [value, told.predicted[index], told.low && told.low[index], told.high && told.high[index]]).filter(([a, b]) => isNumber(a) && isNumber(b));
  if (!rows.length) return;
  const values = rows.flatMap(([a, b]) => [a, b]).sort((a, b) => a - b);
  const log = values[0] > 0 && values[values.length - 1] / values[Math.floor(values.length / 2)] > 20;
  keepDrawn(box, (width) => {
    const side = Math.min(width, 560);
    const area = frame({
      width: side, height: side * 0.92, label: `Predicted against true ${data.target} for ${rows.length} rows`,
      xValues: values, yValues: values, xAxis: { label: `true ${clip(data.target)}`, unit: '', log }, yAxis: { label: `predicted ${clip(data.target)}`, unit: '', log },
    });
    const within = (value) => Math.min(Math.max(value, area.y.low), area.y.high);
    const bars = [], dots = [];
    for (const [a, b, low, high] of rows) {
      const x = area.x.at(a).toFixed(1), known = isNumber(low) && isNumber(high);
      if (known) bars.push(`M${x} ${area.y.at(within(low)).toFixed(1)}V${area.y.at(within(high)).toFixed(1)}`);
      dots.push(shape('circle', { class: known && (a < low || a > high) ? 'dot outside' : 'dot', r: 2.3, cx: x, cy: area.y.at(b).toFixed(1) }));
    }
    if (bars.length) area.svg.append(shape('path', { class: 'interval', d: bars.join('') }));
    area.svg.append(...dots, shape('line', { class: 'diagonal', x1: area.x.at(area.x.low), y1: area.y.at(area.x.low), x2: area.x.at(area.x.high), y2: area.y.at(area.x.high) }));
    const legend = element('div', { class: 'legend' }, legendDot('dot', bars.length ? 'true value inside its interval' : 'row'), bars.length ? legendDot('dot outside', 'outside') : null);
    box.replaceChildren(area.svg, legend);
    area.svg.style.maxWidth = `${side}px`;
  });
}

function clip(text) {
  return text.length > 28 ? `${text.slice(0, 27)}…` : text;
}

function legendDot(name, text) {
  return element('span', {}, shape('svg', { viewBox: '-8 -8 16 16', 'aria-hidden': 'true' }, shape('circle', { class: name, r: 3.5 })), text);
}

function calibrationPlot(data) {
  const box = byId('calibration-plot');
  if (!box) return;
  const clean = (bins) => (bins || []).filter((bin) => isNumber(bin.confidence) && isNumber(bin.accuracy)).sort((a, b) => a.confidence - b.confidence);
  const bins = clean(data.calibration.bins), before = clean(data.calibration.bins_before);
  if (!bins.length) return;
  const most = Math.max(...bins.map((bin) => bin.rows || 1));
  keepDrawn(box, (width) => {
    const side = Math.min(width, 440);
    const all = [...bins, ...before].flatMap((bin) => [bin.confidence, bin.accuracy, 1]);
    const area = frame({ width: side, height: side * 0.85, label: 'Reliability: share right against confidence', xValues: all, yValues: all, xAxis: { label: 'confidence', unit: '' }, yAxis: { label: 'share right', unit: '' } });
    const at = (bin) => `${area.x.at(bin.confidence).toFixed(1)} ${area.y.at(bin.accuracy).toFixed(1)}`;
    const low = Math.max(area.x.low, area.y.low);
    area.svg.append(shape('line', { class: 'diagonal', x1: area.x.at(low), y1: area.y.at(low), x2: area.x.at(1), y2: area.y.at(1) }));
    if (before.length) area.svg.append(shape('path', { class: 'before', d: `M${before.map(at).join('L')}` }));
    area.svg.append(shape('path', { class: 'line', d: `M${bins.map(at).join('L')}` }));
    for (const bin of bins) {
      const dot = shape('circle', { class: 'dot bin', r: 3 + 5 * Math.sqrt((bin.rows || 1) / most), cx: area.x.at(bin.confidence), cy: area.y.at(bin.accuracy) });
      dot.append(shape('title', {}, `confidence ${plain(bin.confidence)}, right ${plain(bin.accuracy)}${bin.rows ? `, ${plain(bin.rows)} rows` : ''}`));
      area.svg.append(dot);
    }
    const names = before.length ? [legendLine('line', 'after temperature scaling'), legendLine('before', 'before')] : [];
    box.replaceChildren(area.svg, element('div', { class: 'legend' }, ...names));
    area.svg.style.maxWidth = `${side}px`;
  });
}

function legendLine(name, text) {
  return element('span', {}, shape('svg', { viewBox: '-8 -8 16 16', 'aria-hidden': 'true' }, shape('path', { class: name, d: 'M-8 0H8' })), text);
}

// One small plot for each choice of the space: the error of all candidates against it.
function choicePlots(data) {
  const box = byId('choices'), errors = data.cloud.values['values.error'];
  if (!box || !errors) return;
  const sorted = errors.filter(isNumber).sort((a, b) => a - b);
  if (!sorted.length) return;
  const top = sorted[Math.floor((sorted.length - 1) * 0.97)];
  for (const [name, column] of Object.entries(data.cloud.genes).slice(0, 24)) {
    const rows = column.map((value, index) => [value, errors[index]]).filter(([value, error]) => value !== null && isNumber(error) && error <= top);
    const kinds = [...new Set(rows.map(([value]) => value))];
    const numeric = rows.every(([value]) => isNumber(value));
    if (kinds.length < 2 || (!numeric && kinds.length > 12)) continue;
    const holder = element('div', {});
    box.append(element('div', { class: 'multiple' }, element('h4', { class: 'name' }, name), holder));
    keepDrawn(holder, (width) => drawChoice(holder, name, rows, numeric ? null : kinds.sort(), width));
  }
}

function drawChoice(holder, name, rows, kinds, width) {
  const xs = kinds ? kinds.map((_, index) => index) : rows.map(([value]) => value);
  const log = !kinds && Math.min(...xs) > 0 && Math.max(...xs) / Math.min(...xs) >= 16;
  const few = kinds ? kinds.length : new Set(xs).size;
  const top = 6, bottom = 104, left = 38, right = width - 6, pad = kinds ? 0.5 : 0;
  const x = makeScale(kinds ? [-pad + 0.06, kinds.length - 1 + pad - 0.06] : xs, { from: left, to: right, log, count: width < 180 ? 2 : 3 });
  const y = makeScale(rows.map(([, error]) => error), { from: bottom, to: top, count: 2 });
  const svg = shape('svg', { viewBox: `0 0 ${width} 124`, width, height: 124, role: 'img', 'aria-label': `Error against ${name}, ${rows.length} candidates` });
  for (const value of y.ticks) {
    svg.append(shape('line', { class: 'grid', x1: left, x2: right, y1: y.at(value), y2: y.at(value) }), shape('text', { x: left - 6, y: y.at(value) + 4, 'text-anchor': 'end' }, tickText(value, '')));
  }
  const room = Math.max(1, Math.floor((right - left) / few / 7.6));
  const ticks = kinds ? kinds.map((kind, index) => [index, String(kind).length > room ? `${String(kind).slice(0, Math.max(1, room - 1))}…` : String(kind)]) : (few <= 7 ? [...new Set(xs)] : x.ticks).map((value) => [value, tickText(value, '')]);
  let used = -Infinity;
  for (const [value, text] of ticks.sort((a, b) => a[0] - b[0])) {
    const half = text.length * 3.5;
    if (x.at(value) - half < used + 4) continue;
    used = x.at(value) + half;
    svg.append(shape('text', { x: x.at(value), y: bottom + 16, 'text-anchor': 'middle' }, text));
  }
  const band = few <= 12 ? Math.min(22, ((right - left) / few) * 0.5) : 0;
  rows.forEach(([value, error], index) => {
    const place = x.at(kinds ? kinds.indexOf(value) : value) + band * (((index * 0.618034) % 1) - 0.5);
    svg.append(shape('circle', { class: 'cloud', r: 1.6, cx: place.toFixed(1), cy: y.at(error).toFixed(1) }));
  });
  holder.replaceChildren(svg);
}
