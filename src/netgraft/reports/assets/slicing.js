// Starts the page of a slicing study: its drawings, the player, and the table that sorts.

function start() {
  const data = JSON.parse(byId('data').textContent);
  attempt('methods', () => document.querySelectorAll('table.sortable').forEach(sortByHeads));
  attempt('network', () => data.network && networkPlayer(byId('network-player'), data.network));
  attempt('masks', () => lines('masks', data.masks, { label: 'Traffic masks', xAxis: { label: 'step', unit: '' }, yAxis: { label: 'share of users', unit: '', zero: true }, height: 220 }));
  attempt('training', () => data.training && lines('training', data.training.series, {
    label: 'Reward while training', xAxis: { label: 'step', unit: '', zero: true }, yAxis: { label: 'reward', unit: '' }, height: 360,
    split: data.training.split, long: data.training.long, wide: 500, marks: data.training.split ? [{ x: data.training.split, text: 'transfers end' }] : [],
  }));
  attempt('satisfaction', () => lines('satisfaction', data.satisfaction, { label: 'Distribution of the satisfaction', xAxis: { label: 'satisfaction', unit: '' }, yAxis: { label: 'share above', unit: '', zero: true }, marks: [{ x: 0.95, text: '0.95' }] }));
  attempt('delay', () => lines('delay', data.delay, { label: 'Distribution of the delay', xAxis: { label: 'delay in ms', unit: '', log: spread(data.delay) }, yAxis: { label: 'share above', unit: '', zero: true } }));
  attempt('similarity', () => data.similarity && data.similarity.measures.forEach((measure, index) => cellMatrix(byId(`matrix-${index}`), data.similarity, measure)));
  attempt('gain', () => data.gain && gainPlots(data.gain));
  addEventListener('keydown', (event) => event.key === 'Escape' && hideTip());
  document.documentElement.dataset.drawn = 'yes';
}

function lines(name, series, how) {
  const box = byId(`${name}-plot`);
  if (box && series && series.length) linesPlot(box, { series, ...how });
}

// Whether values span so much that they need a logarithmic axis.
function spread(series) {
  const values = (series || []).flatMap((each) => each.x);
  return Math.min(...values) > 0 && Math.max(...values) / Math.min(...values) > 8;
}

function gainPlots(gain) {
  const yAxis = { label: 'gain in reward, %', unit: '' };
  lines('gain-by-step', gain.by_step, { label: 'Gain by steps of training', xAxis: { label: 'step', unit: '', log: spread(gain.by_step) }, yAxis });
  lines('gain-by-distance', gain.by_distance, { label: 'Gain by distance of the source', xAxis: { label: 'distance', unit: '' }, yAxis });
}

// One part that fails must not take the others with it.
function attempt(name, draw) {
  try {
    draw();
  } catch (error) {
    document.documentElement.dataset.fault = `${name}: ${error}`;
  }
}

addEventListener('error', (event) => { document.documentElement.dataset.fault = String(event.message); });
start();
