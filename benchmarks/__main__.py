"""Lists the benchmarks: ``python -m benchmarks``."""

from __future__ import annotations

NAMES = {
    "quality": "test score against LightGBM, CatBoost, XGBoost, scikit-learn's MLP; --part small: RealMLP-TD-S, TabM-D",
    "search_speed": "CPU-seconds to equal test hypervolume against Optuna's NSGA-II and DeepHyper's CBO",
    "first_front": "CPU-seconds until the first usable front",
    "memory": "peak memory of searches on 100,000 and 1,000,000 rows x 50 columns",
    "inference": "time of a prediction: ONNX Runtime and numpy against LightGBM",
    "ablation": "what embedding, linear path, members, teacher and wiring are worth",
    "latency_model": "how well the latency model predicts this machine",
    "transfer": "targets of 50 to 1,000 rows with earlier models, against a cold start and what people do today",
    "transfer_similarity": "which similarity orders sources by the gain of transferring from them",
    "fleet": "50 domains: time per domain as the library grows; one worker and two, local and Ray",
    "library_index": "time to list and to rank 100,000 entries of a library",
    "similarity_speed": "the linear-time similarity of latent Gaussians against the double loop",
    "delivery_bytes": "bytes at equal accuracy: a published root against float32, quantisers and NNCodec",
    "delivery_delta": "bytes of an update against a whole version",
    "delivery_link": "time to the first usable model over paced sockets; bit errors and lost packets",
    "delivery_http": "plans, heads and chunks over HTTP against nginx",
    "delivery_peers": "other systems that bring models or files to devices, each on the same course",
    "delivery_cut": "cutting on demand at the size of ResNet-18: plan, cut anew, decode",
    "delivery_soak": "a million inferences while models change, chunks are corrupt and processes are killed",
    "delivery_figures": "figures 3 and 4 of the paper on in-situ model downloading",
    "slicing_speed": "steps of the radio network against mobile-env, TD3 against Stable-Baselines3, a whole study",
}


def main() -> None:
    """Print the list."""
    print("python -m benchmarks.NAME [--quick] [--report]   (see benchmarks/README.md; peers need .venv-bench)\n")
    for name, about in NAMES.items():
        print(f"  {name:20} {about}")


if __name__ == "__main__":
    main()
