// Matrices of cells by cells: groups parted by lines, the nearest source of each row in a ring.

const LOG_FROM = 100; // so wide a range of distances is told apart by its logarithm only

function cellMatrix(box, told, measure) {
  const { matrix, nearest } = measure, count = matrix.length, shown = (i, j) => i !== j && isNumber(matrix[i][j]);
  const known = matrix.flatMap((row, i) => row.filter((_, j) => shown(i, j)));
  if (!known.length) return;
  const low = Math.min(...known), high = Math.max(...known);
  const log = low > 0 && high / low > LOG_FROM;
  const place = log ? (share) => low * (high / low) ** share : (share) => low + share * (high - low);
  const share = (value) => (high <= low ? 0.5 : log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low));
  const strength = (value) => 0.9 - 0.84 * share(value);
  let at = [0, 0];
  keepDrawn(box, (width) => {
    const left = 24, top = 20, cell = Math.min(width - left - 1, 400) / count, side = cell * count;
    const svg = shape('svg', { viewBox: `0 0 ${left + side + 1} ${top + side + 1}`, width: left + side + 1, height: top + side + 1, role: 'group', tabindex: 0, 'aria-label': `${measure.name}: ${count} cells by ${count}. Arrow keys move between them.` });
    matrix.forEach((row, i) => row.forEach((value, j) => {
      const spot = { x: (left + j * cell + 0.5).toFixed(1), y: (top + i * cell + 0.5).toFixed(1), width: (cell - 1).toFixed(1), height: (cell - 1).toFixed(1), rx: Math.min(3, cell / 6) };
      svg.append(shape('rect', shown(i, j) ? { class: 'cell', 'fill-opacity': strength(value).toFixed(3), ...spot } : { class: 'cell-empty', ...spot }));
    }));
    matrixLabels(svg, told.numbers.slice(0, count), left, top, cell);
    matrixGroups(svg, told.groups.slice(0, count), left, top, cell);
    nearest.forEach((j, i) => j !== null && j < count && svg.append(shape('circle', { class: 'nearest', cx: left + (j + 0.5) * cell, cy: top + (i + 0.5) * cell, r: Math.max(2, cell * 0.24) })));
    const cursor = shape('rect', { class: 'cursor', width: cell, height: cell, visibility: 'hidden' });
    svg.append(cursor);
    const show = (i, j) => {
      at = [i, j];
      cursor.setAttribute('x', left + j * cell);
      cursor.setAttribute('y', top + i * cell);
      cursor.setAttribute('visibility', 'visible');
      showTip(pairLines(told, measure, i, j), cursor.getBoundingClientRect());
    };
    const hide = () => {
      cursor.setAttribute('visibility', 'hidden');
      hideTip();
    };
    heatMoves(svg, { count, show, hide, now: () => at, left, top, cell });
    box.replaceChildren(svg, high > low ? matrixLegend(measure, [0, 0.25, 0.5, 0.75, 1].map(place), strength, log) : '');
    svg.style.maxWidth = `${left + side + 1}px`;
  });
}

function matrixLegend({ cost }, values, strength, log) {
  const [near, far] = cost ? ['least', 'most'] : ['near', 'far'];
  const steps = values.map((value, index) => shape('rect', { class: 'cell', x: index * 16, y: 2, width: 15, height: 12, 'fill-opacity': strength(value).toFixed(3) }));
  const bar = shape('svg', { viewBox: '0 0 80 16', class: 'ramp', 'aria-hidden': 'true' }, ...steps);
  return element('div', { class: 'legend' }, element('span', {}, `${near}, ${quantity(values[0], '')}`, bar, `${far}, ${quantity(values[values.length - 1], '')}${log ? ' (log)' : ''}`));
}

function pairLines(told, { matrix, nearest, cost }, i, j) {
  const same = told.groups[i] === told.groups[j] ? 'same targets' : 'other targets', value = quantity(matrix[i][j], '');
  if (cost) return i === j ? [told.cells[i], 'by its own policy'] : [told.cells[i], `by the policy of ${told.cells[j]}, ${same}`, `costs ${value}`];
  if (i === j) return [told.cells[i], `from itself: distance ${value}`];
  return [told.cells[i], `from ${told.cells[j]}, ${same}`, `distance ${value}`, ...(nearest[i] === j ? ['its nearest source'] : [])];
}

function matrixLabels(svg, numbers, left, top, cell) {
  const every = Math.ceil(17 / cell);
  numbers.forEach((number, index) => {
    if (index % every) return;
    svg.append(shape('text', { class: 'cell-label', x: left - 5, y: top + (index + 0.5) * cell + 4, 'text-anchor': 'end' }, number));
    svg.append(shape('text', { class: 'cell-label', x: left + (index + 0.5) * cell, y: top - 6, 'text-anchor': 'middle' }, number));
  });
}

function matrixGroups(svg, groups, left, top, cell) {
  const side = cell * groups.length;
  groups.forEach((group, index) => {
    if (!index || group === groups[index - 1]) return;
    const place = index * cell;
    svg.append(shape('path', { class: 'parting', d: `M${left + place} ${top}v${side}M${left} ${top + place}h${side}` }));
  });
}
