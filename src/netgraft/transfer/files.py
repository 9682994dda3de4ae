"""Names of the files by which an entry of a library serves as a source; models lie in a folder, a root is two files."""

FRONT, MODEL, ROOT, ROWS, ARCHIVE = "front.json", "model", "root", "rows.parquet", "archive.json"
