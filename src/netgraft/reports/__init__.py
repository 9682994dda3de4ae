"""Records become a plain summary, a table for the terminal, and one self-contained HTML page. Computes no model."""

from netgraft.reports.details import Details
from netgraft.reports.page import render_front
from netgraft.reports.table import front_table

__all__ = ["Details", "front_table", "render_front"]
