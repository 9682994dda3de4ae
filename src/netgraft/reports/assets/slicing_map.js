// The map of the network: cells are wedges at their sites, coloured by what was measured in them.

function drawMap(view, width) {
  const { cells, parts } = view, placed = cells.filter((cell) => isNumber(cell.x) && isNumber(cell.y));
  const reach = wedgeReach(placed), pad = reach * 1.12;
  const [left, right] = [Math.min(...placed.map((cell) => cell.x)) - pad, Math.max(...placed.map((cell) => cell.x)) + pad];
  const [low, high] = [Math.min(...placed.map((cell) => cell.y)) - pad, Math.max(...placed.map((cell) => cell.y)) + pad];
  const scale = Math.min(width / (right - left), 520 / (high - low)), height = (high - low) * scale;
  const place = ({ x, y }) => [(width - (right - left) * scale) / 2 + (x - left) * scale, (high - y) * scale];
  const svg = shape('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role: 'group', 'aria-label': `Map of ${placed.length} cells. Arrow keys move between them.` });
  view.wedges = cells.map((cell, index) => (placed.includes(cell) ? drawWedge(view, cell, index, place(cell), reach * scale) : null));
  const drawn = view.wedges.filter(Boolean).map((wedge) => wedge.mark);
  svg.append(...drawn, ...[...new Set(placed.map((cell) => place(cell).join(' ')))].map((spot) => {
    const [cx, cy] = spot.split(' ');
    return shape('circle', { class: 'site', cx, cy, r: 3.5 });
  }));
  roving(drawn, view.state.cell === null ? null : cells[view.state.cell].name);
  parts.map.replaceChildren(svg);
  drawMapLegend(view);
}

function wedgeReach(cells) {
  let least = Infinity;
  for (const a of cells) for (const b of cells) {
    const distance = Math.hypot(a.x - b.x, a.y - b.y);
    if (distance > 0 && distance < least) least = distance;
  }
  return Number.isFinite(least) ? least * 0.49 : 250;
}

function drawWedge(view, cell, index, [x, y], reach) {
  const { cells, state } = view;
  const shared = cells.filter((other) => other.x === cell.x && other.y === cell.y).length;
  const half = (Math.min(120, 360 / shared) / 2 - 2) * (Math.PI / 180), middle = (cell.azimuth * Math.PI) / 180;
  const at = (angle, share) => `${(x + Math.cos(angle) * reach * share).toFixed(1)} ${(y - Math.sin(angle) * reach * share).toFixed(1)}`;
  const path = shape('path', { class: 'wedge none', d: `M${at(middle, 0.05)}L${at(middle + half, 1)}A${reach} ${reach} 0 0 1 ${at(middle - half, 1)}Z` });
  const [tx, ty] = at(middle, 0.6).split(' ').map(Number), roomy = reach > 66;
  const value = shape('text', { class: 'wedge-value', x: tx, y: ty + (roomy ? 11 : 4), 'text-anchor': 'middle', 'aria-hidden': 'true' });
  const name = roomy ? shape('text', { class: 'wedge-name', x: tx, y: ty - 5, 'text-anchor': 'middle', 'aria-hidden': 'true' }, cell.name.length > 9 ? `${cell.name.slice(0, 8)}…` : cell.name) : null;
  const mark = shape('g', { class: `cell-mark group${cell.group % 4}`, role: 'button', tabindex: -1, 'data-id': cell.name, 'aria-pressed': state.cell === index }, path, name, reach > 42 ? value : null);
  const lines = () => cellLines(view, cell, index);
  const tip = () => {
    view.tipped = () => showTip(lines(), path.getBoundingClientRect());
    view.tipped();
  };
  const untip = () => {
    view.tipped = null;
    hideTip();
  };
  const choose = () => {
    state.cell = state.cell === index ? null : index;
    view.wedges.forEach((wedge, other) => wedge && wedge.mark.setAttribute('aria-pressed', state.cell === other));
    if (view.redrawTime) view.redrawTime();
    view.show();
  };
  mark.addEventListener('pointerenter', tip);
  mark.addEventListener('pointerleave', untip);
  mark.addEventListener('focus', () => mark.matches(':focus-visible') && tip());
  mark.addEventListener('blur', untip);
  mark.addEventListener('click', choose);
  mark.addEventListener('keydown', (event) => ['Enter', ' '].includes(event.key) && (event.preventDefault(), choose()));
  mark.setAttribute('aria-label', cell.name);
  return { mark, path, value, lines };
}

function valueOf(view, name, index) {
  const method = view.now(), row = method && method[name] && method[name][view.state.frame];
  return row && isNumber(row[index]) ? row[index] : null;
}

function cellLines(view, cell, index) {
  const told = ['load', 'satisfaction', 'users'].map((name) => [name, valueOf(view, name, index)]).filter(([, value]) => value !== null);
  return [cell.name, `${cell.site === null ? '' : `site ${cell.site}, `}group ${cell.group + 1}`, ...told.map(([name, value]) => `${name}: ${name === 'users' ? plain(value) : value.toFixed(2)}`)];
}

function wedgeColour(measure, value) {
  if (value === null) return ['none', 0];
  const share = Math.min(Math.max(measure === 'load' ? value : 1 - value, 0), 1);
  return measure === 'load' ? ['loaded', 0.05 + 0.65 * share] : ['short', share < 0.005 ? 0 : 0.12 + 0.58 * Math.sqrt(share)];
}

function drawMapLegend(view) {
  const { state, parts, cells } = view, load = state.measure === 'load';
  const stops = load ? [0, 0.25, 0.5, 0.75, 1] : [1, 0.95, 0.8, 0.5, 0];
  const ramp = view.now() ? stops.map((value) => {
    const [kind, opacity] = wedgeColour(state.measure, value);
    return element('span', { class: 'stop' }, shape('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, shape('rect', { class: `wedge ${kind}`, x: 0.5, y: 0.5, width: 15, height: 15, rx: 3, 'fill-opacity': opacity.toFixed(3) })), String(value));
  }) : [];
  const groups = [...new Set(cells.map((cell) => cell.group))].sort((a, b) => a - b);
  const kinds = groups.length > 1 ? groups.map((group) => element('span', { class: 'stop' }, shape('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true', class: `group${group % 4}` }, shape('rect', { class: 'wedge none', x: 1, y: 1, width: 14, height: 14, rx: 3 })), `group ${group + 1}`)) : [];
  parts.legend.replaceChildren(...(ramp.length ? [element('span', {}, state.measure)] : []), ...ramp, ...kinds);
}
