// Starts the page: draws every part, keeps the chosen point in step between plot, card, table and commands.

function start() {
  const data = JSON.parse(byId('data').textContent);
  data.chosen = data.picked;
  let plot = { redraw() {} };
  const choose = (id) => {
    const inPlot = byId('front-plot').contains(document.activeElement);
    data.chosen = id;
    markChosen(data);
    plot.redraw();
    const mark = document.querySelector('#front-plot .mark.chosen');
    if (inPlot && mark) mark.focus({ preventScroll: true });
  };
  attempt('front', () => { plot = frontPlot(data, choose); });
  attempt('points', () => pointsTable(choose));
  attempt('use', copyButtons);
  attempt('chosen', () => markChosen(data));
  attempt('history', () => historyPlot(data));
  attempt('predicted', () => predictedPlot(data));
  attempt('calibration', () => calibrationPlot(data));
  attempt('searched', () => choicePlots(data));
  attempt('transfer', () => transferPlots(data.transfer));
  addEventListener('keydown', (event) => event.key === 'Escape' && hideTip());
  document.documentElement.dataset.drawn = 'yes';
}

// One part that fails must not take the others with it.
function attempt(name, draw) {
  try {
    draw();
  } catch (error) {
    document.documentElement.dataset.fault = `${name}: ${error}`;
  }
}

function markChosen(data) {
  for (const row of document.querySelectorAll('#points-table tbody tr')) row.classList.toggle('chosen', row.dataset.id === data.chosen);
  const point = data.points.find((each) => each.id === data.chosen), card = byId('chosen');
  card.hidden = !point;
  if (!point) return;
  for (const place of document.querySelectorAll('.command .point')) place.textContent = shellWord(point.id);
  const rows = data.axes.filter((axis) => isNumber(point.at[axis.key]));
  card.replaceChildren(
    element('h3', { class: 'name' }, point.id),
    element('p', {}, `${point.name}${point.shape === '–' ? '' : `, ${point.shape}`}${point.id === data.picked ? ', picked' : ''}`),
    element('dl', {}, ...rows.flatMap((axis) => [element('dt', {}, axis.label, axis.origin ? element('small', {}, ` ${axis.origin}`) : ''), element('dd', {}, quantity(point.at[axis.key], axis.unit))])),
  );
}

function shellWord(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`;
}

function pointsTable(choose) {
  const table = byId('points-table');
  if (!table) return;
  sortByHeads(table);
  table.tBodies[0].addEventListener('click', (event) => {
    const row = event.target.closest('tr');
    if (row) choose(row.dataset.id);
  });
}

function copyButtons() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll('.copy')) {
    button.hidden = false;
    button.addEventListener('click', async () => {
      try {
        await navigator.clipboard.writeText(button.parentElement.querySelector('code').textContent);
        button.textContent = 'Copied';
      } catch {
        button.textContent = 'Select it';
      }
      setTimeout(() => { button.textContent = 'Copy'; }, 1600);
    });
  }
}

addEventListener('error', (event) => { document.documentElement.dataset.fault = String(event.message); });
start();
