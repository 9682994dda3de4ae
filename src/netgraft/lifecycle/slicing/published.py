"""What Hu et al. 2022 say in section V, figures 5 and 6, by our names of the methods."""

from __future__ import annotations

PAPER: dict[str, dict[str, float]] = {
    "proportional": {"satisfaction": 0.87, "below_0.95": 0.25, "delay_ms": 1.8},
    "drl": {"satisfaction": 0.90, "below_0.95": 0.19, "delay_ms": 1.7},
    "tl_similar": {"satisfaction": 0.92, "below_0.95": 0.12, "delay_ms": 1.5},
}
#: "The TL approaches with the lowest distance measure provides about 3% higher gain" (figure 8).
EARLY_ADVANTAGE = 0.03
