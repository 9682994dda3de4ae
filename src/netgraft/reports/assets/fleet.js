// Starts the page of a fleet: its tables can be sorted.

for (const table of document.querySelectorAll('table.sortable')) sortByHeads(table);
