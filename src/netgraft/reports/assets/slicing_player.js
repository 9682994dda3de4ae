// The player of the network: method, measure, step; the map and what was measured over time follow.

const MEASURES = { load: 'load', satisfaction: 'satisfaction' };
const FRAME_MS = 160, CALM_FRAME_MS = 900; // who wants less motion gets fewer changes, and none of them gradual

function networkPlayer(box, { cells, methods }) {
  const state = { method: methods.findIndex((each) => each.name === 'tl_similar'), measure: 'satisfaction', frame: 0, cell: null, timer: 0 };
  state.method = Math.max(0, state.method);
  const now = () => methods[state.method];
  const offered = Object.keys(MEASURES).filter((name) => methods.some((each) => each[name]));
  if (!offered.includes(state.measure)) state.measure = offered[0] ?? 'load';
  const parts = { map: element('div', { class: 'map' }), time: element('div', { class: 'over-time' }), read: element('dl', { class: 'read-out' }), legend: element('div', { class: 'legend' }) };
  const view = { cells, state, now, parts, wedges: [], show: () => {}, timeline: null };
  const controls = methods.length ? playerControls(view, methods, offered) : null;
  const map = element('div', {}, parts.map, parts.legend);
  box.append(...(controls ? [controls, element('div', { class: 'beside' }, map, element('div', { class: 'card' }, parts.read, parts.time))] : [map]));
  keepDrawn(parts.map, (width) => {
    drawMap(view, width);
    view.show();
  });
  if (!methods.length) return;
  keepDrawn(parts.time, () => view.redrawTime());
}

function playerControls(view, methods, offered) {
  const { state, now } = view;
  const play = element('button', { type: 'button', class: 'play', 'aria-pressed': false }, 'Play');
  const slider = element('input', { type: 'range', min: 0, max: Math.max(0, now().step.length - 1), value: 0, 'aria-label': 'Step' });
  const told = element('output', {});
  const pause = () => {
    clearTimeout(state.timer);
    state.timer = 0;
    play.textContent = 'Play';
    play.setAttribute('aria-pressed', false);
  };
  view.show = () => {
    const frame = state.frame = Math.min(state.frame, now().step.length - 1);
    slider.max = now().step.length - 1;
    slider.value = frame;
    slider.setAttribute('aria-valuetext', `step ${now().step[frame]}`);
    told.textContent = `step ${plain(now().step[frame])}`;
    showFrame(view);
  };
  const go = (frame) => {
    state.frame = Math.min(Math.max(frame, 0), now().step.length - 1);
    view.show();
  };
  const tick = () => {
    if (state.frame >= now().step.length - 1) return pause();
    go(state.frame + 1);
    state.timer = setTimeout(tick, wantsCalm() ? CALM_FRAME_MS : FRAME_MS);
  };
  const toggle = () => {
    if (state.timer) return pause();
    if (state.frame >= now().step.length - 1) go(0);
    play.textContent = 'Pause';
    play.setAttribute('aria-pressed', true);
    state.timer = setTimeout(tick, 0);
  };
  play.addEventListener('click', toggle);
  slider.addEventListener('input', () => {
    pause();
    go(Number(slider.value));
  });
  document.addEventListener('visibilitychange', () => document.hidden && pause());
  view.seek = (frame) => {
    pause();
    go(frame);
  };
  view.redrawTime = () => drawTime(view);
  const change = () => {
    view.redrawTime();
    drawMapLegend(view);
    view.show();
  };
  const method = choice('Method', methods.map((each) => each.label), state.method, (index) => {
    const step = now().step[state.frame];
    state.method = index;
    state.frame = nearestIndex(now().step, step);
    change();
  });
  const measure = choice('Colour', offered, offered.indexOf(state.measure), (index) => {
    state.measure = offered[index];
    change();
  });
  const controls = element('div', { class: 'controls' }, play, element('label', { class: 'steps-slider' }, slider, told), method, measure);
  slider.addEventListener('keydown', (event) => event.key === ' ' && (event.preventDefault(), toggle()));
  return controls;
}

function wantsCalm() {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}

function choice(label, names, chosen, change) {
  const control = switcher(label, names, change);
  control.querySelector('select').value = Math.max(0, chosen);
  return control.firstChild;
}

function nearestIndex(steps, step) {
  return steps.reduce((best, value, index) => (Math.abs(value - step) < Math.abs(steps[best] - step) ? index : best), 0);
}

function showFrame(view) {
  const { state, wedges, now, parts, timeline } = view;
  const values = wedges.map((_, index) => valueOf(view, state.measure, index));
  wedges.forEach((wedge, index) => {
    if (!wedge) return;
    const [kind, opacity] = wedgeColour(state.measure, values[index]);
    wedge.path.setAttribute('class', `wedge ${kind}`);
    wedge.path.setAttribute('fill-opacity', opacity.toFixed(3));
    wedge.value.textContent = values[index] === null ? '–' : values[index].toFixed(2);
    wedge.mark.setAttribute('aria-label', wedge.lines().join(', '));
  });
  if (view.tipped) view.tipped();
  if (timeline) timeline(now().step[state.frame]);
  parts.read.replaceChildren(...readOut(view, values).flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)]));
}

function readOut(view, values) {
  const { cells, state, now } = view, known = values.filter((value) => value !== null);
  if (!known.length) return [['step', plain(now().step[state.frame])]];
  const worst = state.measure === 'load' ? Math.max(...known) : Math.min(...known), index = values.indexOf(worst);
  const rows = [['step', plain(now().step[state.frame])], [`mean ${state.measure}`, (known.reduce((sum, value) => sum + value, 0) / known.length).toFixed(2)], [state.measure === 'load' ? 'most loaded' : 'worst off', `${cells[index].name} ${worst.toFixed(2)}`]];
  return state.cell === null ? rows : [...rows, [cells[state.cell].name, values[state.cell] === null ? '–' : values[state.cell].toFixed(2)]];
}

function drawTime(view) {
  const { cells, state, now, parts } = view, method = now(), rows = method[state.measure] || [];
  const pairs = (pick) => rows.map((row, index) => [method.step[index], pick(row.filter(isNumber), row)]).filter(([, value]) => isNumber(value));
  const worst = state.measure === 'load' ? Math.max : Math.min;
  const lines = [
    ['curve other dash1', state.measure === 'load' ? 'most loaded cell' : 'worst cell', pairs((known) => (known.length ? worst(...known) : null))],
    ['curve similar dash0', 'mean of cells', pairs((known) => (known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null))],
    ...(state.cell === null ? [] : [['curve drl dash0', cells[state.cell].name, pairs((_, row) => row[state.cell])]]),
  ].filter(([, , told]) => told.length > 1);
  const width = Math.floor(parts.time.clientWidth);
  view.timeline = null;
  if (!lines.length || width < 60) return parts.time.replaceChildren();
  const area = frame({ width, height: 190, label: `${state.measure} over the steps`, xValues: lines[0][2].map(([step]) => step), yValues: lines.flatMap(([, , told]) => told.map(([, value]) => value)), xAxis: { label: 'step', unit: '' }, yAxis: { label: state.measure, unit: '' } });
  for (const [style, , told] of lines) area.svg.append(shape('path', { class: style, d: `M${told.map(([step, value]) => `${area.x.at(step).toFixed(1)} ${area.y.at(value).toFixed(1)}`).join('L')}` }));
  const cursor = shape('line', { class: 'read', y1: area.top, y2: area.bottom });
  area.svg.append(cursor);
  view.timeline = (step) => ['x1', 'x2'].forEach((side) => cursor.setAttribute(side, area.x.at(step)));
  view.timeline(method.step[state.frame]);
  const seek = (event) => {
    if (event.type === 'pointermove' && !event.buttons) return;
    const share = (event.clientX - area.svg.getBoundingClientRect().left - area.left) / (area.right - area.left);
    view.seek(nearestIndex(method.step, area.x.low + share * (area.x.high - area.x.low)));
  };
  for (const name of ['pointerdown', 'pointermove']) area.svg.addEventListener(name, seek);
  parts.time.replaceChildren(area.svg, element('div', { class: 'legend' }, ...lines.map(([style, name]) => legendLine(style, name))));
}
