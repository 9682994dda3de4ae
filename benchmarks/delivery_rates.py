"""Figure 4: the data rates that downloading a sub-model needs, the paper's claims on them, the rates with our bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.delivery_tables import Figure, figure_3
from benchmarks.page import markdown_table
from benchmarks.raw import Row

#: Numbers of each network and seconds of each application, as the paper's section 4 has them.
MODELS = {"ResNet-50": 23e6, "VGG-16": 135e6, "ViT-L": 307e6}
LATENCIES = {"image recognition": 1.0, "video call": 0.2, "tactile communication": 1e-3}
FLOAT_BITS = 32
USER_6G, USER_5G, PEAK_6G = 1e9, 1e8, 1e12
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

NOTES = (
    (
        "The paper says 11.69 million parameters for ResNet-18. That is the network for ImageNet; with the "
        "first convolution for 32 x 32 pixels and 100 classes it has 11.22 million."
    ),
    (
        "The paper says about 800 Mb for ResNet-50, which is 25.56 million x 32 bits = 818 Mb; its figure 4 "
        "uses 23 million (736 Mb), the network without its classifier."
    ),
    "The text gives no number for the peak rate; 1 Tb/s is assumed.",
    "VGG-16 fits 1 Gb/s in 1 s at 23.1 % already, so 76.9 % of its bits must go, not 80 %.",
    (
        '"Only a small model like ResNet" at the peak rate holds for whole models; 23 % of VGG-16 and 10 % of '
        "ViT-L fit into 1 ms as well."
    ),
    (
        'For the video call the paper says that ResNet fits when compressed "to about 30 %"; that needs 1.10 '
        "Gb/s, and the exact bound is 27.2 %."
    ),
    "1 ms leaves nothing for propagation, decoding and loading.",
    "The sizes of figure 3 (c) are per cent of the 4-bit model in the paper, and of float32 here.",
)


def rate_bps(model: str, latency_s: float, share: float = 1.0, bits: float = FLOAT_BITS) -> float:
    """Return the rate that brings a share of a network's numbers over in time, in bits per second."""
    return MODELS[model] * bits * share / latency_s


def most_share(model: str, latency_s: float, available_bps: float, bits: float = FLOAT_BITS) -> float:
    """Return the largest share of a network that a rate brings over in time, at most 1."""
    return min(1.0, available_bps * latency_s / (MODELS[model] * bits))


def claims() -> list[dict[str, Any]]:
    """Return what the text says of figure 4, our number, and whether it holds."""
    second, call, touch = 1.0, 0.2, 1e-3
    fits = {m: most_share(m, call, USER_6G) for m in MODELS}
    slow = [rate_bps(m, t, s) > USER_5G for m in MODELS for t in LATENCIES.values() for s in SHARES if s >= 0.1]
    rows = [
        ("ResNet-50 of any size within 1 s at the 6G user rate of 1 Gb/s",
         _gbps(rate_bps("ResNet-50", second)), rate_bps("ResNet-50", second) <= USER_6G),
        ("VGG-16 must lose 80 % of its bits, to 0.86 Gb/s",
         f"{_gbps(rate_bps('VGG-16', second, 0.2))} at 20 %; the bound is {_percent('VGG-16', second, USER_6G)}",
         round(rate_bps("VGG-16", second, 0.2) / 1e9, 2) == 0.86),
        ("ViT needs up to 10 Gb/s", _gbps(rate_bps("ViT-L", second)), 9e9 < rate_bps("ViT-L", second) <= 10e9),
        ("20 % of ViT need 1.96 Gb/s, more than the user rate",
         _gbps(rate_bps("ViT-L", second, 0.2)), abs(rate_bps("ViT-L", second, 0.2) / 1e9 - 1.96) < 0.01),
        ("video call: ResNet alone, compressed to about 30 %",
         ", ".join(f"{m} {100 * share:.1f} %" for m, share in fits.items()), 0.25 <= fits["ResNet-50"] <= 0.30),
        ("tactile: the peak rate is enough for a whole ResNet alone",
         ", ".join(f"{m} {_gbps(rate_bps(m, touch))}" for m in MODELS),
         [rate_bps(m, touch) <= PEAK_6G for m in MODELS] == [True, False, False]),
        ("5G's 100 Mb/s fails in almost all cases (sub-models of 10 % and more)",
         f"fails in {sum(slow)} of {len(slow)}", sum(slow) / len(slow) > 0.9),
    ]  # fmt: skip
    return [{"claim": claim, "ours": ours, "holds": bool(holds)} for claim, ours, holds in rows]


def measured_bits(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the bits per number that roots of figure 3 need in chunks for the accuracy of float32, less 0.2 points."""
    found = []
    for shown in figure_3(rows).shown["sets"]:
        sizes = [row["percent"] for row in shown["equal"] if row["method"] == "planes" and row["retrained"]]
        known = [size for size in sizes if size is not None]
        if known:
            found.append({"set": shown["name"], "bits": FLOAT_BITS * min(known) / 100, "percent": min(known)})
    return found


def figure_4(rows: Sequence[Row]) -> Figure:
    """Return figure 4, with the bytes of figure 3's roots where there are any."""
    held, bits = claims(), measured_bits(rows)
    lines = [
        {
            "model": model, "application": name, "latency_s": latency,
            "points": [[100 * share, rate_bps(model, latency, share)] for share in SHARES],
        }
        for name, latency in LATENCIES.items()
        for model in MODELS
    ]  # fmt: skip
    modelled = [
        {
            "set": each["set"], "bits": each["bits"], "model": model, "application": name, "latency_s": latency,
            "rate_bps": rate_bps(model, latency, bits=each["bits"]),
            "share_at_user_rate": most_share(model, latency, USER_6G, each["bits"]),
        }
        for each in bits for name, latency in LATENCIES.items() for model in MODELS
    ]  # fmt: skip
    shown = {
        "lines": lines, "claims": held, "notes": list(NOTES), "bits": bits, "modelled": modelled,
        "levels": {"6G user rate": USER_6G, "5G user rate": USER_5G, "6G peak rate": PEAK_6G},
    }  # fmt: skip
    return Figure(_text(shown), shown)


def _text(shown: dict[str, Any]) -> str:
    held = [[row["claim"], row["ours"], "holds" if row["holds"] else "does not hold"] for row in shown["claims"]]
    rates = [
        [
            model, *(_gbps(rate_bps(model, t)) for t in LATENCIES.values()),
            *(_percent(model, t, USER_6G) for t in LATENCIES.values()),
            _percent(model, 1e-3, PEAK_6G), _percent(model, 1.0, USER_5G),
        ]
        for model in MODELS
    ]  # fmt: skip
    head = ["network", *(f"whole, {name} ({t:g} s)" for name, t in LATENCIES.items())]
    head += [*(f"fits 1 Gb/s in {t:g} s" for t in LATENCIES.values()), "fits 1 Tb/s in 1 ms", "fits 100 Mb/s in 1 s"]
    parts = [
        "## What the text says of figure 4", markdown_table(["claim", "our number", ""], held),
        "## Rates in float32 (computed)", markdown_table(head, rates),
        "## Where the paper's numbers do not agree", "\n".join(f"- {note}" for note in shown["notes"]),
    ]  # fmt: skip
    if shown["modelled"]:
        said = "; ".join(
            f"{each['bits']:.2f} bits ({each['percent']:.1f} %) on {each['set']}" for each in shown["bits"]
        )
        lines = [
            [
                row["set"], row["model"], f"{row['application']} ({row['latency_s']:g} s)", _gbps(row["rate_bps"]),
                f"{100 * row['share_at_user_rate']:.0f} %",
            ]
            for row in shown["modelled"]
        ]  # fmt: skip
        parts += [
            "## The same with our bytes (modelled)",
            (
                f"Bits per number of our roots in chunks, at the accuracy of float32 less 0.2 points: {said}. Modelled:"
                " that these networks would need as many bits per number was not measured."
            ),
            markdown_table(["bits of", "network", "application", "rate for the whole network", "fits 1 Gb/s"], lines),
        ]
    return "\n\n".join(parts)


def _gbps(rate: float) -> str:
    return f"{rate / 1e9:,.3g} Gb/s" if rate < 1e12 else f"{rate / 1e12:.3g} Tb/s"


def _percent(model: str, latency_s: float, available_bps: float) -> str:
    return f"{100 * most_share(model, latency_s, available_bps):.1f} %"
