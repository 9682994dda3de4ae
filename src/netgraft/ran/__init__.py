"""A radio network of sliced cells whose interference follows their load: scenarios, simulator, environments."""

from netgraft.ran.cell_view import cell_view
from netgraft.ran.kpi_table import kpi_table
from netgraft.ran.kpis import Kpis
from netgraft.ran.parallel import parallel_env
from netgraft.ran.presets import preset, presets, read_scenario
from netgraft.ran.scenario import Scenario, Slice
from netgraft.ran.simulator import Simulator
from netgraft.ran.slicing_env import SlicingEnv
from netgraft.ran.user_rate import user_rates
from netgraft.ran.vector import VectorSlicing

__all__ = [
    "Kpis",
    "Scenario",
    "Simulator",
    "Slice",
    "SlicingEnv",
    "VectorSlicing",
    "cell_view",
    "kpi_table",
    "parallel_env",
    "preset",
    "presets",
    "read_scenario",
    "user_rates",
]
