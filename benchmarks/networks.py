"""How fast networks train and classify: beside a plain torch loop, Keras, and the machine's peak.

The network is `proposed`, on crops of 224 px. Every contestant is a process of its own; they take
turns, one alive at a time, each once for nothing and then timed, and the best of several rounds
counts. On one thread seconds are those the process computed, so that other work on the machine
hardly counts; else and on a GPU they are those of the clock. Contestants:

ours          strainprint's own training epoch and prediction
no malloc     ours, glibc left alone
no fusion     ours, normalisation, sum and ReLU left to torch one after the other
no layout     ours without fusion, kernels not channels last
no products   ours, gradients of kernels left to torch
fp32          ours in fp32, where `auto` is bf16
eager         a plain torch loop: DataLoader, stock layout, stock memory, fp32
keras         the same layers in Keras on TensorFlow (pip install strainprint[bench-networks])

The peak is that of a product of matrices in the arithmetic of ours, measured in the same process;
operations are those of the convolutions, three times the forward pass for a step. On a GPU the
bytes that the convolutions and normalisations of a step must move at least once are compared with
the bandwidth of a copy. The last line is one JSON object. --profile says instead where a step of
ours spends its time.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

CROP_PX, N_CROPS = 224, 24
PAPER_CROPS = 54_072

KINDS_OF_OPERATIONS = {
    "convolution": "^aten::(mkldnn_)?convolution",
    "normalisation, sum, ReLU": "^_?Normalized|batch_norm|clamp_min|threshold|^aten::add$",
    "pooling": "max_pool",
}


def data(args):
    """Crops (n, 1, px, px) like those of maps, mostly black, and their classes."""
    rng = np.random.default_rng(0)
    shape = (args.batches * args.batch, 1, CROP_PX, CROP_PX)
    grey = rng.integers(0, 256, shape, dtype=np.uint8)
    grey[rng.random(shape, dtype=np.float32) > 0.1] = 0
    return grey, rng.integers(0, 3, len(grey))


class Ours:
    """The library's own functions, with single levers left out."""

    def __init__(self, args):
        import torch

        from strainprint.dataset.store import CropStore
        from strainprint.networks import devices, fused_convolution, training
        from strainprint.networks.architectures import ResidualNetwork, architecture_of
        from strainprint.networks.examples import Examples, Feed

        self.torch = torch
        if args.serve == "no malloc":
            devices.keep_freed_memory = lambda *_: False
        largest = 16 * 4 * args.batch * CROP_PX**2
        self.device = devices.prepare_device(args.device, args.threads, largest)
        asked = "fp32" if args.serve == "fp32" else "auto"
        self.precision = devices.chosen_precision(asked, self.device)
        grey, labels = data(args)
        crops = grey.reshape(-1, N_CROPS, CROP_PX, CROP_PX)
        self.labels = labels[: len(crops)]
        self.store = CropStore.of_array(crops)
        self.network = ResidualNetwork(architecture_of("proposed")).to(self.device)
        if args.serve == "no layout":
            self.network.to(memory_format=torch.contiguous_format)
        self.settings = training.TrainingSettings(
            "proposed", 0, 0, batch_size=args.batch, precision=self.precision
        )
        training.choose_kernels(self.network, self.device, self.precision)
        if args.serve == "no products":
            self.network.find_gradients_by_products(False)
        if args.serve in ("no fusion", "no layout"):
            self.network.fuse_normalization(False)
            fused_convolution.helps_on = lambda _: False
        self.optimizer = training.adam(self.network, self.settings)
        parts = np.full(len(self.labels), "train")
        examples = Examples([self.store], torch.from_numpy(self.labels), parts)
        self.feed = Feed(examples, self.device)

    def train(self):
        from strainprint.networks.training import _train_epoch

        order = np.arange(len(self.labels) * N_CROPS)
        loss = self.torch.nn.functional.cross_entropy
        _train_epoch(self.network, self.optimizer, self.feed, order, self.settings, 1, loss)
        return len(order)

    def infer(self):
        from strainprint.networks.inference import predict_crops

        predict_crops(self.network, self.store)
        return len(self.labels) * N_CROPS

    def profile(self):
        """Seconds of one training step by kind of operation."""
        from torch.profiler import ProfilerActivity
        from torch.profiler import profile as profiled

        with profiled(activities=[ProfilerActivity.CPU]) as recorded:
            self.train()
        found = dict.fromkeys([*KINDS_OF_OPERATIONS, "rest"], 0.0)
        for one in recorded.key_averages():
            kinds = [k for k, part in KINDS_OF_OPERATIONS.items() if re.search(part, one.key)]
            found[kinds[0] if kinds else "rest"] += one.self_cpu_time_total / 1e6
        return found

    def facts(self):
        """Peak in GFLOP/s, GFLOP and GB of a crop, bandwidth in GB/s, and what the device is."""
        from strainprint.networks import weight_gradient

        torch = self.torch
        dtype = torch.bfloat16 if self.precision == "bf16" else torch.float32
        on_gpu = self.device.type == "cuda"
        side = 8192 if on_gpu else 2048
        a, b = (torch.randn(side, side, device=self.device, dtype=dtype) for _ in range(2))
        large = torch.empty(2**30 if on_gpu else 2**28, dtype=torch.uint8, device=self.device)
        other = large.clone()
        product_s = min(seconds(lambda: a @ b, self.device) for _ in range(6))
        copy_s = min(seconds(lambda: other.copy_(large), self.device) for _ in range(4))
        forward_gflop, elements_in, elements_out = layer_sizes(self.network)
        # A step reads or writes each input of a convolution three times, each output eight times
        # (three for the convolution, five for normalisation, ReLU and their gradients).
        size = 2 if self.precision == "bf16" else 4
        return {
            "peak_gflops": 2 * side**3 / product_s / 1e9,
            "bandwidth_gb_per_s": 2 * large.nbytes / copy_s / 1e9,
            "forward_gflop": forward_gflop,
            "step_gb": size * (3 * elements_in + 8 * elements_out) / 1e9,
            "precision": self.precision,
            "by_products": weight_gradient.helps_on(self.device, self.precision),
            "device": torch.cuda.get_device_name() if on_gpu else cpu_name(),
            "torch": torch.__version__,
            "arithmetic": "" if on_gpu else cpu_arithmetic(torch.backends.cpu.get_cpu_capability()),
        }


def seconds(function, device):
    """Seconds of a call, counted as those of the contestants are."""
    import torch

    on_one_core = device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if on_one_core else time.perf_counter
    start = clock()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - start


def layer_sizes(network):
    """GFLOP of the convolutions for one crop, elements that go into them and come out."""
    import torch
    from torch import nn

    gflop, elements_in, elements_out = [], [], []

    def count(layer, given, made):
        kernel = layer.weight[0].numel()
        gflop.append(2 * kernel * made.numel() / 1e9)
        elements_in.append(given[0].numel())
        elements_out.append(made.numel())

    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    hooks = [layer.register_forward_hook(count) for layer in convolutions]
    device = network.classifier.weight.device
    with torch.inference_mode():
        network.eval()(torch.zeros(1, 1, CROP_PX, CROP_PX, device=device))
    for hook in hooks:
        hook.remove()
    return sum(gflop), sum(elements_in), sum(elements_out)


class Eager:
    """What one writes first: Dataset, DataLoader, model, loss, Adam."""

    def __init__(self, args):
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        from strainprint.networks.architectures import ResidualNetwork, architecture_of

        torch.set_num_threads(args.threads)
        self.torch = torch
        wants_gpu = args.device != "cpu" and torch.cuda.is_available()
        self.device = torch.device("cuda" if wants_gpu else "cpu")
        grey, labels = data(args)
        dataset = TensorDataset(torch.from_numpy(grey), torch.from_numpy(labels))
        self.loader = DataLoader(dataset, batch_size=args.batch, shuffle=True)
        self.network = ResidualNetwork(architecture_of("proposed")).to(
            self.device, memory_format=torch.contiguous_format
        )
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=1e-3, eps=1e-7)

    def train(self):
        self.network.train()
        done = 0
        for grey, target in self.loader:
            scores = self.network(grey.to(self.device).float())
            loss = self.torch.nn.functional.cross_entropy(scores, target.to(self.device))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            loss.item()
            done += len(grey)
        return done

    def infer(self):
        self.network.eval()
        with self.torch.no_grad():
            return sum(
                len(self.network(grey.to(self.device).float()).softmax(1).cpu())
                for grey, _ in self.loader
            )


class Keras:
    """The same layers in Keras, as its guide writes them: compile, fit, predict."""

    def __init__(self, args):
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        import tensorflow

        tensorflow.config.threading.set_intra_op_parallelism_threads(args.threads)
        tensorflow.config.threading.set_inter_op_parallelism_threads(1)
        import keras
        from keras import layers

        def normalized(x, channels, size=3):
            x = layers.Conv2D(channels, size, padding="same")(x)
            return layers.BatchNormalization()(x)

        def module(x, channels):
            shortcut = x if x.shape[-1] == channels else normalized(x, channels, 1)
            for _ in range(2):
                x = layers.ReLU()(normalized(x, channels))
            return layers.ReLU()(layers.Add()([normalized(x, channels), shortcut]))

        given = keras.Input((CROP_PX, CROP_PX, 1))
        x = layers.ReLU()(normalized(given, 16))
        x = layers.MaxPooling2D(3, 2, padding="same")(x)
        for channels in (32, 64):
            x = module(module(x, channels), channels)
            x = layers.MaxPooling2D(3, 2, padding="same")(x)
        x = layers.GlobalAveragePooling2D()(x)
        self.network = keras.Model(given, layers.Dense(3, activation="softmax")(x))
        trainable = sum(int(np.prod(w.shape)) for w in self.network.trainable_weights)
        assert trainable == 258_403, trainable
        self.network.compile(
            keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        grey, self.labels = data(args)
        self.grey, self.batch = grey.reshape(-1, CROP_PX, CROP_PX, 1), args.batch

    def train(self):
        self.network.fit(self.grey, self.labels, batch_size=self.batch, epochs=1, verbose=0)
        return len(self.grey)

    def infer(self):
        return len(self.network.predict(self.grey, batch_size=self.batch, verbose=0))


def serve(args):
    """Run one burst for each line of input and answer with crops, seconds and process seconds."""
    contestant = {"eager": Eager, "keras": Keras}.get(args.serve, Ours)(args)
    for line in sys.stdin:
        if line.strip() == "facts":
            answer = contestant.facts()
        elif line.strip() == "profile":
            answer = contestant.profile()
        else:
            start, computed = time.perf_counter(), time.process_time()
            crops = getattr(contestant, line.strip())()
            answer = {
                "crops": crops,
                "clock_s": time.perf_counter() - start,
                "computed_s": time.process_time() - computed,
            }
        print("ANSWER " + json.dumps(answer), flush=True)


class Contestant:
    """A serving process, asked by name of what it shall do."""

    def __init__(self, name, args):
        command = [sys.executable, __file__, "--serve", name, "--threads", str(args.threads)]
        command += ["--batch", str(args.batch), "--batches", str(args.batches)]
        command += ["--device", args.device]
        threads = {"OMP_NUM_THREADS": str(args.threads), "MKL_NUM_THREADS": str(args.threads)}
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if name == "keras" else None,
            text=True,
            env={**os.environ, **threads},
        )

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("ANSWER "):
                return json.loads(line.removeprefix("ANSWER "))
        raise SystemExit(f"{self.process.args} ended early")

    def __enter__(self):
        """Return the process, which is ready when it answers."""
        return self

    def __exit__(self, *_):
        """End it."""
        self.process.stdin.close()
        self.process.wait()


def cpu_name():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "CPU")


def profile(args):
    """Say where a step of ours spends its time, and how fast the convolutions by themselves are."""
    with Contestant("ours", args) as ours:
        for _ in range(3):
            ours.ask("train")
        steps = [ours.ask("profile") for _ in range(args.rounds)]
        facts = ours.ask("facts")
    step = min(steps, key=lambda found: sum(found.values()))
    whole = sum(step.values())
    speed = 3 * facts["forward_gflop"] * args.batch * args.batches / step["convolution"]
    said = [
        f"{facts['device']} ({facts['arithmetic']}), {args.threads} thread(s), torch "
        f"{facts['torch']}, {facts['precision']}; a step of {args.batch} crops of {CROP_PX} px",
        *(f"{kind:28}{s:8.3f} s{s / whole:8.1%}" for kind, s in step.items()),
        f"convolutions by themselves {speed:.0f} GFLOP/s, {speed / facts['peak_gflops']:.0%} of a "
        f"product of matrices ({facts['peak_gflops']:.0f})",
    ]
    publish(said, facts, args, "profile")


def publish(said, facts, args, what):
    """Print the lines and keep a copy under a name that says which machine it was."""
    text = "\n".join(said) + "\n"
    sys.stdout.write(text)
    if args.log:
        title = f"networks {facts['device']} {facts['arithmetic']} {args.threads} {what}".lower()
        name = "-".join(re.findall(r"[a-z0-9]+", re.sub(r"\((r|tm)\)", "", title)))
        folder = Path(args.log)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.log").write_text(text)


def cpu_arithmetic(capability):
    """Vectors that torch uses and what multiplies bf16: a name in a cloud says little."""
    from strainprint.networks.devices import cpu_flags

    return " ".join([capability, *sorted(cpu_flags() & {"avx512_bf16", "amx_bf16"})])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=72, help="crops of a step, a multiple of 24")
    parser.add_argument("--batches", type=int, default=1, help="steps in each burst")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--profile", action="store_true", help="where a step of ours spends time")
    parser.add_argument("--log", help="folder to keep a copy of what is printed in")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve(args)
    if args.profile:
        return profile(args)

    with Contestant("ours", args) as ours:
        facts = ours.ask("facts")
    names = ["ours", "eager", "no malloc", "no fusion", "no layout"]
    on_gpu = facts["device"] != cpu_name()
    if on_gpu:
        names.remove("no malloc")
    if facts["by_products"]:
        names.append("no products")
    if facts["precision"] == "bf16":
        names.append("fp32")
    if importlib.util.find_spec("keras") and importlib.util.find_spec("tensorflow"):
        names.append("keras")
    clock = "clock_s" if on_gpu or args.threads > 1 else "computed_s"
    said = []
    said.append(
        f"{facts['device']} ({facts['arithmetic']}), {args.threads} thread(s), torch "
        f"{facts['torch']}, ours in {facts['precision']}; {args.batch} crops of {CROP_PX} px, "
        f"{'computing' if clock == 'computed_s' else 'clock'} seconds, best of {args.rounds}"
    )
    rates, facts_of_rounds = {}, [facts]
    for _ in range(args.rounds):
        for name in names:
            with Contestant(name, args) as contestant:
                for what in ("train", "infer"):
                    contestant.ask(what)  # compiles, chooses kernels, touches memory
                    answer = contestant.ask(what)
                    rates.setdefault((what, name), []).append(answer["crops"] / answer[clock])
                if name == "ours":
                    facts_of_rounds.append(contestant.ask("facts"))
    best = {key: max(found) for key, found in rates.items()}
    said.append(f"{'':12}{'train crops/s':>16}{'infer crops/s':>16}")
    for name in names:
        said.append(f"{name:12}{best['train', name]:16.2f}{best['infer', name]:16.2f}")
    peak = max(one["peak_gflops"] for one in facts_of_rounds)
    bandwidth = max(one["bandwidth_gb_per_s"] for one in facts_of_rounds)
    train, infer = best["train", "ours"], best["infer", "ours"]
    said.append(f"matrix product {peak:.1f} GFLOP/s, copy {bandwidth:.1f} GB/s")
    said.append(f"levers: {levers(best, names)}")

    def ratio(what, name):
        return round(best[what, "ours"] / best[what, name], 3) if (what, name) in best else None

    said.append(
        json.dumps(
            {
                "train_crops_per_s": round(train, 2),
                "infer_crops_per_s": round(infer, 2),
                "train_ratio_eager": ratio("train", "eager"),
                "train_ratio_keras": ratio("train", "keras"),
                "infer_ratio_eager": ratio("infer", "eager"),
                "infer_ratio_keras": ratio("infer", "keras"),
                "peak_share": round(3 * facts["forward_gflop"] * train / peak, 3),
                "infer_peak_share": round(facts["forward_gflop"] * infer / peak, 3),
                "bandwidth_share": round(facts["step_gb"] * train / bandwidth, 3),
                "paper_epoch_s": round(PAPER_CROPS / train, 1),
                "precision": facts["precision"],
                "threads": args.threads,
                "batch": args.batch,
                "device": facts["device"],
                "arithmetic": facts["arithmetic"],
            }
        )
    )
    publish(said, facts, args, "threads")
    return None


def levers(best, names):
    """Say how many times faster each lever alone makes the training and the prediction."""
    said = {
        "no malloc": "malloc",
        "no fusion": "fusion",
        "no layout": "channels last and fusion",
        "no products": "products",
        "fp32": "bf16",
    }
    return ", ".join(
        f"{lever} {best['train', 'ours'] / best['train', name]:.2f} x in training and "
        f"{best['infer', 'ours'] / best['infer', name]:.2f} x in prediction"
        for name, lever in said.items()
        if name in names
    )


if __name__ == "__main__":
    main()
