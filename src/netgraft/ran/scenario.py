"""A scenario: everything that decides what happens in the simulated network, as one frozen value.

The defaults of the radio part are those of preset ``paper``: what Hu et al. 2022 give (LTE, 2.6 GHz, 20 MHz, WINNER+
propagation), and for what they leave open the values of 3GPP TR 36.814, table A.2.1.1 (case 1) unless a field says
otherwise. Logarithmic values end in ``_db``, ``_dbm`` or ``_dbi``, everything else is linear and SI.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from netgraft.errors import SettingError, TableError
from netgraft.ran.fields import (
    Fraction,
    NotNegative,
    Number,
    PartOfWhole,
    Positive,
    Range,
    build,
    check_fields,
    plain,
)
from netgraft.ran.masks import TrafficMask
from netgraft.ran.slices import Slice, SliceGroup

__all__ = ["Scenario", "Slice", "SliceGroup", "TrafficMask"]

THERMAL_NOISE_DBM_PER_HZ = -174.0
KMH = 1 / 3.6


@dataclass(frozen=True)
class Scenario:
    """A network, its users and their traffic.

    Attributes:
        name: of the scenario.
        groups: which cells make which promises; every cell is in one group.
        sites: base stations, on a hexagonal lattice.
        sectors: cells per site.
        site_distance_m: between neighbouring sites.
        margin_m: of the area around the outermost sites; None: half a site distance.
        bs_height_m: of the antennas.
        user_height_m: of the users.
        carrier_hz: carrier frequency.
        bandwidth_hz: of the channel, guard bands included.
        blocks: resource blocks of a cell.
        guard: fraction of the bandwidth that holds no block (LTE at 20 MHz: 0.1).
        overhead: fraction of what blocks carry that is control and reference signals: the knob for the load.
        power_dbm: transmitted by a cell when all blocks are in use.
        noise_figure_db: of the users' receivers.
        antenna_gain_dbi: at the beam's centre.
        tilt_deg: of the beam below the horizon.
        horizontal_beamwidth_deg: between the -3 dB points.
        vertical_beamwidth_deg: between the -3 dB points.
        front_to_back_db: greatest attenuation of the pattern, horizontal and in sum.
        side_lobe_db: greatest attenuation of the vertical pattern.
        path_loss: model of the mean loss.
        line_of_sight: ``mean`` weights both losses in dB by the probability, ``drawn`` draws the state per place.
        penetration_db: into buildings or cars, the same for all users.
        min_coupling_loss_db: bound on how little is lost between a base station and a user, antennas included.
        shadowing_std_db: standard deviation; None: the model's.
        shadowing_distance_m: at which the autocorrelation has fallen to 1/e.
        site_correlation: of the shadowing of two sites at one place; sectors of a site share it.
        map_step_m: between two points of the radio map.
        map_seed: of shadowing and drawn line of sight; apart from the seed of users and traffic.
        rate: how SINR becomes spectral efficiency.
        alpha: share of Shannon's bound that is reached (TR 36.942, annex A).
        sinr_min_db: users below it are served as if they had it.
        efficiency_max_bps_per_hz: greatest spectral efficiency of ``shannon``.
        users_per_slice: greatest number of users of a slice in what ``user_scope`` says.
        user_scope: ``cell``: that many per slice and cell; ``network``: per slice in all.
        activity: probability that a user whose slice has mask 1 is active.
        session_s: mean time until a user's activity is drawn again.
        mobility: ``direction``: straight until a turn, mirrored at the border; ``waypoint``: to random points.
        speed_min_mps: least speed.
        speed_max_mps: greatest speed.
        heading_s: mean time between two turns of ``direction``.
        masks: share of users that may be active over time.
        step_s: length of a step.
        packet_bits: mean size of a packet.
        delay_floor_s: of every packet, however little load.
        utilisation_max: at which the delay stops to grow.
        scheduler: how a slice's blocks are shared by its users.

    Raises:
        SettingError: a value is out of its range, a name is unknown, or cells and groups do not fit.
        TableError: the mask table lacks a value or has one outside [0, 1].
    """

    name: str
    groups: tuple[SliceGroup, ...]
    # layout
    sites: Annotated[int, Range(least=1, most=1000)] = 4
    sectors: Annotated[int, Range(least=1, most=6)] = 3
    site_distance_m: Positive = 500.0
    margin_m: Positive | None = None
    bs_height_m: Positive = 25.0
    user_height_m: Annotated[float, Range(least=1.5, most=13)] = 1.5
    # radio
    carrier_hz: Annotated[float, Range(least=4e8, most=1e11)] = 2.6e9
    bandwidth_hz: Positive = 20e6
    blocks: Annotated[int, Range(least=1, most=10_000)] = 100
    guard: PartOfWhole = 0.1
    overhead: PartOfWhole = 0.25
    power_dbm: Annotated[float, Range(least=0, most=80)] = 46.0
    noise_figure_db: NotNegative = 9.0
    # antenna
    antenna_gain_dbi: Number = 17.0
    tilt_deg: Annotated[float, Range(least=-90, most=90)] = 12.0
    horizontal_beamwidth_deg: Annotated[float, Range(above=0, most=360)] = 70.0
    vertical_beamwidth_deg: Annotated[float, Range(above=0, most=180)] = 10.0
    front_to_back_db: NotNegative = 25.0
    side_lobe_db: NotNegative = 20.0
    # propagation
    path_loss: Literal["winner-c2", "uma", "umi"] = "winner-c2"
    line_of_sight: Literal["mean", "drawn"] = "mean"
    penetration_db: NotNegative = 10.0
    min_coupling_loss_db: NotNegative = 70.0
    shadowing_std_db: NotNegative | None = None
    shadowing_distance_m: Positive = 50.0
    site_correlation: Fraction = 0.5
    map_step_m: Positive = 5.0
    map_seed: Annotated[int, Range(least=0)] = 0
    # rate
    rate: Literal["shannon", "cqi"] = "shannon"
    alpha: Annotated[float, Range(above=0, most=1)] = 0.6
    sinr_min_db: Number = -10.0
    efficiency_max_bps_per_hz: Positive = 4.4
    # users
    users_per_slice: Annotated[int, Range(least=1, most=1_000_000)] = 32
    user_scope: Literal["cell", "network"] = "cell"
    activity: Annotated[float, Range(above=0, most=1)] = 1 / 12
    session_s: Positive = 30.0
    mobility: Literal["direction", "waypoint"] = "direction"
    speed_min_mps: NotNegative = 3 * KMH
    speed_max_mps: NotNegative = 30 * KMH
    heading_s: Positive = 60.0
    # traffic and service
    masks: TrafficMask = field(default_factory=TrafficMask)
    step_s: Positive = 1.0
    packet_bits: Positive = 250.0
    delay_floor_s: NotNegative = 3e-4
    utilisation_max: Annotated[float, Range(above=0, below=1)] = 0.9
    scheduler: Literal["equal-satisfaction"] = "equal-satisfaction"

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "groups", tuple(self.groups))
        _check_relations(self)
        _check_groups(self.groups, self.cells)
        self.masks.check(self.slice_names)

    @property
    def cells(self) -> int:
        """Number of cells, K."""
        return self.sites * self.sectors

    @property
    def area_margin_m(self) -> float:
        """Width of the area around the outermost sites."""
        return self.site_distance_m / 2 if self.margin_m is None else self.margin_m

    @property
    def slice_names(self) -> tuple[str, ...]:
        """Names of the slices, N of them."""
        return tuple(item.name for item in self.groups[0].slices)

    @property
    def slices(self) -> int:
        """Number of slices, N."""
        return len(self.groups[0].slices)

    @property
    def users(self) -> int:
        """Number of users, U; user u belongs to slice ``u // (U // N)``."""
        return self.users_per_slice * self.slices * (self.cells if self.user_scope == "cell" else 1)

    @cached_property
    def group_of_cell(self) -> NDArray[np.int64]:
        """Number of each cell's group [K]."""
        found = np.empty(self.cells, np.int64)
        for index, group in enumerate(self.groups):
            found[list(group.cells)] = index
        return _frozen(found)

    @cached_property
    def throughput_bps(self) -> NDArray[np.float64]:
        """Throughput targets phi* [K, N]; also what one active user asks for."""
        targets = [[item.throughput_bps for item in group.slices] for group in self.groups]
        return _frozen(np.array(targets)[self.group_of_cell])

    @cached_property
    def delay_s(self) -> NDArray[np.float64]:
        """Delay targets d* [K, N]."""
        targets = [[item.delay_s for item in group.slices] for group in self.groups]
        return _frozen(np.array(targets)[self.group_of_cell])

    @property
    def usable_hz(self) -> float:
        """Bandwidth that carries users' data when all blocks are in use."""
        return self.bandwidth_hz * (1 - self.guard) * (1 - self.overhead)

    @property
    def block_hz(self) -> float:
        """Bandwidth of one block."""
        return self.bandwidth_hz * (1 - self.guard) / self.blocks

    @property
    def block_power_w(self) -> float:
        """Power transmitted in one block in use."""
        return float(10 ** (self.power_dbm / 10 - 3)) / self.blocks

    @property
    def block_noise_w(self) -> float:
        """Noise power that a user receives in one block."""
        return float(10 ** ((THERMAL_NOISE_DBM_PER_HZ + self.noise_figure_db) / 10 - 3)) * self.block_hz

    def with_traffic(self, table: ArrayLike) -> Scenario:
        """Return the scenario with other masks.

        Args:
            table: masks [steps, N] in [0, 1], replayed from step 0, again and again.

        Raises:
            TableError: it is no table of numbers with one column per slice, or a value is missing or outside [0, 1].
        """
        try:
            values = np.asarray(table, np.float64)
        except (TypeError, ValueError) as error:
            raise TableError(f"the mask table must be rows of numbers, one per slice: {error}") from error
        if values.ndim != 2:
            raise TableError(f"the mask table must have two dimensions, steps and slices, got {values.ndim}")
        return replace(self, masks=TrafficMask(table=tuple(map(tuple, values.tolist()))))

    def payload(self) -> dict[str, Any]:
        """Return the scenario as values of JSON and TOML; `from_payload` reads the same scenario back."""
        return dict(plain(self))

    @staticmethod
    def from_payload(payload: Any) -> Scenario:
        """Return the scenario in a table whose keys are the fields.

        Raises:
            SettingError: a key is unknown or lacks, or a value is not allowed.
            TableError: the mask table is not usable.
        """
        if isinstance(payload, dict):
            payload = dict(payload)
            if "groups" in payload:
                if not isinstance(payload["groups"], list):
                    raise SettingError(f"groups must be a list of tables, got {payload['groups']!r}")
                payload["groups"] = tuple(SliceGroup.from_payload(group) for group in payload["groups"])
            if "masks" in payload:
                payload["masks"] = TrafficMask.from_payload(payload["masks"])
        return build(Scenario, payload, "a scenario")


def _check_relations(scenario: Scenario) -> None:
    """Check the rules that tie one field to another."""
    low, high, least = scenario.speed_min_mps, scenario.speed_max_mps, scenario.user_height_m
    narrowest_m = 2 * scenario.area_margin_m
    if scenario.bs_height_m <= least:
        raise SettingError(f"bs_height_m must be > user_height_m, {least:g}, got {scenario.bs_height_m:g}")
    if low > high:
        raise SettingError(f"speed_min_mps must be <= speed_max_mps, got {low:g} and {high:g}")
    if high * scenario.step_s > narrowest_m:
        way = f"{narrowest_m:g}, got {high * scenario.step_s:g}"
        raise SettingError(f"speed_max_mps x step_s must be <= twice the area's margin, {way}")
    if scenario.map_step_m > scenario.site_distance_m / 4:
        raise SettingError(f"map_step_m must be <= site_distance_m / 4, got {scenario.map_step_m:g}")


def _check_groups(groups: Sequence[SliceGroup], cells: int) -> None:
    if not groups:
        raise SettingError("groups must be at least one, got none")
    names = [[item.name for item in group.slices] for group in groups]
    for other in names[1:]:
        if other != names[0]:
            raise SettingError(f"groups must have the same slices in the same order, got {names[0]} and {other}")
    listed = [cell for group in groups for cell in group.cells]
    for cell in listed:
        if not 0 <= cell < cells:
            raise SettingError(f"cells of a group must be 0 to {cells - 1}, got {cell}")
        if listed.count(cell) > 1:
            raise SettingError(f"every cell must be in one group, got cell {cell} in two")
    for cell in range(cells):
        if cell not in listed:
            raise SettingError(f"every cell must be in one group, got cell {cell} in none")


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    values.flags.writeable = False
    return values
