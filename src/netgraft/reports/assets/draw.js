// Elements, a frame with axes, the marks of the families, the tip. Text enters only as text nodes.

const SVG = 'http://www.w3.org/2000/svg';

function element(name, attributes = {}, ...children) {
  return furnish(document.createElement(name), attributes, children);
}

function shape(name, attributes = {}, ...children) {
  return furnish(document.createElementNS(SVG, name), attributes, children);
}

function furnish(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function byId(id) {
  return document.getElementById(id);
}

// Draw now and whenever the box changes its width.
function keepDrawn(box, draw) {
  let width = 0;
  const redraw = () => {
    const now = Math.floor(box.clientWidth);
    if (now > 0 && now !== width) {
      width = now;
      draw(now);
    }
  };
  redraw();
  new ResizeObserver(redraw).observe(box);
}

// An SVG with grid, ticks and axis titles: {svg, x, y, left, right, top, bottom}.
function frame({ width, height, label, xValues, yValues, xAxis, yAxis, role = 'img' }) {
  const small = width < 480;
  const top = 26, bottom = height - 44, right = width - 12;
  const y = makeScale(yValues, { from: bottom, to: top, count: Math.max(3, Math.round(height / 70)), ...yAxis });
  const texts = y.ticks.map((value) => tickText(value, yAxis.unit));
  const left = Math.max(...texts.map((text) => text.length), 2) * 7 + 10;
  const x = makeScale(xValues, { from: left, to: right, count: Math.max(2, Math.round((right - left) / (small ? 75 : 95))), ...xAxis });
  const svg = shape('svg', { viewBox: `0 0 ${width} ${height}`, width, height, role, 'aria-label': label });
  y.ticks.forEach((value, index) => {
    svg.append(shape('line', { class: 'grid', x1: left, x2: right, y1: y.at(value), y2: y.at(value) }));
    svg.append(shape('text', { x: left - 8, y: y.at(value) + 4, 'text-anchor': 'end' }, texts[index]));
  });
  let used = -Infinity;
  for (const value of x.ticks) {
    const text = tickText(value, xAxis.unit);
    const half = text.length * 3.4;
    svg.append(shape('line', { class: 'grid', x1: x.at(value), x2: x.at(value), y1: top, y2: bottom }));
    if (x.at(value) - half < used + 6) continue;
    used = x.at(value) + half;
    const anchor = used > width ? 'end' : 'middle';
    svg.append(shape('text', { x: Math.min(x.at(value), width), y: bottom + 18, 'text-anchor': anchor }, text));
  }
  svg.append(shape('line', { class: 'axis', x1: left, x2: right, y1: bottom, y2: bottom }));
  svg.append(shape('text', { class: 'title', x: right, y: bottom + 38, 'text-anchor': 'end' }, `${xAxis.label} →`));
  svg.append(shape('text', { class: 'title', x: 0, y: 12 }, `↑ ${yAxis.label}`));
  return { svg, x, y, left, right, top, bottom };
}

// The outline of a family's mark around (0, 0): told apart by shape as well as colour.
function markShape(family, size) {
  if (family === 'trees') return shape('path', { class: 'shape', d: `M0 ${-size * 1.15}L${size * 1.1} ${size * 0.8}L${-size * 1.1} ${size * 0.8}Z` });
  if (family === 'linear') return shape('rect', { class: 'shape', x: -size * 0.9, y: -size * 0.9, width: size * 1.8, height: size * 1.8, rx: 1 });
  if (family === 'stack') return shape('path', { class: 'shape', d: `M0 ${-size * 1.25}L${size * 1.25} 0L0 ${size * 1.25}L${-size * 1.25} 0Z` });
  return shape('circle', { class: 'shape', r: size });
}

function familyClass(family) {
  return ['network', 'trees', 'linear', 'stack'].includes(family) ? family : 'other';
}

// Show lines of text beside a place of the page; the first line is bold.
function showTip(lines, box) {
  const tip = byId('tip');
  tip.replaceChildren(...lines.map((line, index) => element(index ? 'div' : 'b', {}, line)));
  tip.hidden = false;
  const room = document.documentElement.clientWidth;
  const left = Math.min(Math.max(box.left + box.width / 2 - tip.offsetWidth / 2, 12), room - tip.offsetWidth - 12);
  const above = box.top - tip.offsetHeight - 10;
  tip.style.left = `${left + window.scrollX}px`;
  tip.style.top = `${(above > 4 ? above : box.bottom + 10) + window.scrollY}px`;
}

function hideTip() {
  byId('tip').hidden = true;
}
