// Starts the page of the delivery figures: every box with a name gets its lines.

function start() {
  const data = JSON.parse(byId('data').textContent);
  for (const [name, plot] of Object.entries(data.plots)) {
    const box = byId(`${name}-plot`);
    if (!box || !plot.series.length) continue;
    try {
      linesPlot(box, { label: plot.label, series: plot.series, xAxis: plot.x, yAxis: plot.y, height: 280 });
    } catch (error) {
      document.documentElement.dataset.fault = `${name}: ${error}`;
    }
  }
  for (const table of document.querySelectorAll('table.sortable')) sortByHeads(table);
  addEventListener('keydown', (event) => event.key === 'Escape' && hideTip());
  document.documentElement.dataset.drawn = 'yes';
}

addEventListener('error', (event) => { document.documentElement.dataset.fault = String(event.message); });
start();
