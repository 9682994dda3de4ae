// Sorts a table by the buttons in its heads.

function sortByHeads(table) {
  const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector('button')?.addEventListener('click', () => {
    const up = head.getAttribute('aria-sort') !== 'ascending';
    heads.forEach((each) => each.setAttribute('aria-sort', each !== head ? 'none' : up ? 'ascending' : 'descending'));
    body.append(...[...body.rows].sort((a, b) => compareCells(a.cells[column], b.cells[column], up)));
  }));
}

// Numbers by value and others by text; cells without a value last, whichever way.
function compareCells(a, b, up) {
  const [left, right] = [a, b].map((cell) => (cell.dataset.sort === undefined ? cell.textContent : cell.dataset.sort));
  if (left === '' || right === '') return (left === '') - (right === '');
  const numeric = a.classList.contains('number');
  const order = numeric ? Number(left) - Number(right) : left.localeCompare(right, 'en', { numeric: true });
  return up ? order : -order;
}
