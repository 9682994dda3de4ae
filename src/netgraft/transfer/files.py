"""Names of the files by which an entry of a library serves as a source; the root's has two endings."""

ROOT, ROWS, ARCHIVE = "root", "rows.parquet", "archive.json"
