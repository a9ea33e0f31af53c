"""How near a GPU comes to its own speed: gradients by batch size, libraries by themselves, and `bench run` beside them.

    python benchmarks/gpu.py                                  # one GPU, at most 6 minutes on an H100
    python benchmarks/gpu.py --device cpu --small             # tries the script: a few images, minutes
    python benchmarks/gpu.py --dataset cifar10 --data-root DIR   # real images instead of drawn ones

Without `--dataset` images are smooth random ones of 3×32×32 with the labels that the model itself gives them, so that
every image is attacked. `bench run` is called as a user calls it, with an empty store; its time is that of its cells,
attack and judging, as the store has it, and the whole command is printed beside it. A ratio is ours over the other's.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import foolbox
import numpy as np
import torch
import torch.nn.functional as F
import torchattacks
import torchvision
from torch import Tensor, nn

from bench.commands.cli import main as bench
from bench.engine.store import DirectoryStore
from bench.inputs.foreign import folded_if_equal
from bench.inputs.sources import DataSource, deployed
from bench.inputs.switches import left_alone
from zoo import registry
from zoo.data import Dataset
from zoo.recipes import recipe
from zoo.train import Progress, train

EPS, STEPS = ("1/255", "2/255", "4/255", "8/255"), 20
SECTIONS = ("limit", "grid", "one", "restarts", "autoattack", "networks", "zoo", "training")


def main() -> None:
    """Runs the requested sections, and prints the results against the targets."""
    options = arguments()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    name = torch.cuda.get_device_name(options.device) if options.device != "cpu" else "cpu"
    print(f"torch {torch.__version__}, torchattacks {torchattacks.__version__}, {name}")
    began, found = time.perf_counter(), Findings()
    with tempfile.TemporaryDirectory() as folder:
        world = World(options, Path(folder).absolute())
        for section in options.only.split(","):
            start = time.perf_counter()
            with left_alone():
                globals()[section](world, found)
            print(f"  ({section}: {time.perf_counter() - start:.0f} s)", flush=True)
    found.show()
    print(f"{time.perf_counter() - began:.0f} s in all")


def arguments() -> argparse.Namespace:
    """Command-line options; `--small` changes the sizes only."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="a few images of everything")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, with commas between")
    parser.add_argument("--dataset", help="as bench run takes it (default: drawn images)")
    parser.add_argument("--data-root")
    parser.add_argument("--weights-from", default="cifar10")
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - set(SECTIONS):
        parser.error(f"--only has {', '.join(sorted(unknown))}; known: {', '.join(SECTIONS)}")
    small = options.small
    options.n, options.n_autoattack, options.n_networks = (20, 2, 2) if small else (10_000, 1_000, 1_000)
    options.batches = (1, 10, 20) if small else (100, 250, 500, 1_000, 2_000, 4_000)
    options.train = 256 if small else 50_000
    return options


class Findings:
    """Results with a target, in the order of measurement."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, float, str, bool]] = []

    def add(self, what: str, value: float, target: str, reached: bool) -> None:
        """One figure: what it is of, and the target in words."""
        self._rows.append((what, value, target, reached))

    def show(self) -> None:
        """A line for each."""
        print(f"\n{'against the targets on an H100':58}{'here':>8}  target")
        for what, value, target, reached in self._rows:
            print(f"{what:58}{value:8.2f}  {target}{'' if reached else '   MISSED'}")


class World:
    """Images and models that the sections share.

    Args:
        options: of the command line.
        folder: where drawn images and stores go.
    """

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder, self.device = options, folder, options.device
        self.limit: dict[str, float] = {}  # gradients a second of each model, at its best batch
        self.plain = {name: self._model(name) for name in ("baseline_cnn", "baseline_cnn.pgd_at")}
        self.spec = {name: options.dataset or self._drawn(name) for name in self.plain}
        self.images = {name: self._loaded(spec) for name, spec in self.spec.items()}

    def _model(self, name: str) -> nn.Module:
        return registry.load(name, "cifar10", weights_from=self.options.weights_from).to(self.device)

    def _loaded(self, spec: str) -> tuple[Tensor, Tensor]:
        data = DataSource(spec=spec, root=self.options.data_root).load()
        n = self.options.n
        return data.images(0, n).to(self.device), data.targets(0, n).to(self.device)

    def _drawn(self, name: str) -> str:
        coarse = torch.rand(self.options.n, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        pixels = (255 * F.interpolate(coarse, 32, mode="bilinear").clamp(0, 1)).round().to(torch.uint8)
        with torch.no_grad():
            x = pixels.to(self.device).float() / 255
            y = torch.cat([self.plain[name](part).argmax(1) for part in x.split(1000)])
        path = self.folder / f"{name}.npz"
        classes = np.array([str(number) for number in range(10)])
        np.savez(path, x_test=pixels.permute(0, 2, 3, 1).numpy(), y_test=y.cpu().numpy(), classes=classes)
        return f"npz:{path}"

    def seconds(self, way: Callable[[], object]) -> float:
        """Wall time, the device waited for at both ends."""
        self._wait()
        start = time.perf_counter()
        way()
        self._wait()
        return time.perf_counter() - start

    def _wait(self) -> None:
        if self.device != "cpu":
            torch.cuda.synchronize()

    def run(self, model: str, attacks: str, eps: str, n: int, *more: str) -> Ran:
        """`bench run` of a model of the zoo with an empty store."""
        place = Path(tempfile.mkdtemp(dir=self.folder))
        words = ["run", "--model", model, "--weights-from", self.options.weights_from, "--dataset", self.spec[model],
                 "--attacks", attacks, "--eps", eps, "--n", str(n), "--device", self.device, *more,
                 "--store", str(place), "--leaderboard", str(place / "l.csv"), "--reports", str(place)]  # fmt: skip
        words += ["--workers", "1"] if self.device == "cpu" else []
        words += ["--data-root", self.options.data_root] if self.options.data_root else []
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
            start = time.perf_counter()
            code = bench(words)
            whole = time.perf_counter() - start
        if code:
            raise SystemExit(f"bench {' '.join(words)} ended with {code}: {said.getvalue()}")
        return Ran(whole, DirectoryStore(place))


class Ran:
    """What a command took: `whole` seconds, and what its store says of the cells."""

    def __init__(self, whole: float, store: DirectoryStore) -> None:
        self.whole = whole
        cells = [stored for stored in store.cells() if stored is not None and stored.cell.kind == "attack"]
        self.cells = sum(stored.result.seconds for stored in cells)
        iterated = [each for each in cells if each.cell.attack == "pgd"]
        seconds = sum(each.result.seconds for each in iterated)
        self.rate = sum(each.result.gradients for each in iterated) / max(seconds, 1e-9)

    def __str__(self) -> str:
        return f"cells {self.cells:.2f} s, whole command {self.whole:.2f} s"


def gradient(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The gradient of the loss at the images: what every step of an attack takes."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(model(x), y, reduction="sum"), x)[0]


def best_rate(world: World, model: nn.Module, x: Tensor, y: Tensor, batches: tuple[int, ...]) -> float:
    """Gradients a second by batch size, printed; the best of them."""
    rates = {}
    for size in (size for size in batches if size <= len(x)):
        try:
            rates[size] = rate(world, model, x[:size], y[:size])
        except torch.OutOfMemoryError:
            break
    print("  gradients/s by batch: " + ", ".join(f"{size}: {rate:,.0f}" for size, rate in rates.items()))
    return max(rates.values())


def rate(world: World, model: nn.Module, x: Tensor, y: Tensor) -> float:
    """Gradients a second of one batch, after two that are not counted."""
    once = min(world.seconds(lambda: gradient(model, x, y)) for _ in range(2))
    turns = max(2, min(50, int(1 / max(once, 1e-3))))
    return turns * len(x) / world.seconds(lambda: [gradient(model, x, y) for _ in range(turns)])


def limit(world: World, found: Findings) -> None:
    """What the card can do at most with each deployed model."""
    for name, plain in world.plain.items():
        print(f"{name}, 3×32×32")
        ready = deployed(plain, world.device)
        world.limit[name] = best_rate(world, ready, *world.images[name], world.options.batches)


def pgd_at(model: nn.Module, eps: float) -> torchattacks.PGD:
    """PGD with the harness's default step."""
    return torchattacks.PGD(model, eps=eps, alpha=2.5 * eps / STEPS, steps=STEPS)


def library_ways(world: World, name: str, eps: tuple[float, ...]) -> Iterator[tuple[str, float]]:
    """Seconds of FGSM and PGD at some ε by each library alone, at its best-known batch of 1,000."""
    model, (images, targets) = world.plain[name], world.images[name]
    parts = list(zip(images.split(1000), targets.split(1000), strict=True))

    def by_torchattacks() -> None:
        for radius in eps:
            for attack in (torchattacks.FGSM(model, eps=radius), pgd_at(model, radius)):
                sum(int((model(attack(x, y)).argmax(1) == y).sum()) for x, y in parts)

    def by_foolbox() -> None:
        wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device=world.device)
        for attack in (foolbox.attacks.LinfFastGradientAttack(), foolbox.attacks.LinfPGD(steps=STEPS)):
            for x, y in parts:
                attack(wrapped, x, y, epsilons=list(eps))

    world.seconds(lambda: gradient(model, *parts[0]))
    yield "torchattacks", world.seconds(by_torchattacks)
    yield "foolbox", world.seconds(by_foolbox)


def compared(world: World, found: Findings, eps: tuple[str, ...], target: float) -> None:
    """FGSM and PGD of both models by each library alone and by the harness."""
    n = world.options.n
    for name in world.plain:
        bare = dict(library_ways(world, name, tuple(float(e[:-4]) / 255 for e in eps)))
        steps = "--steps", str(STEPS)
        ours = world.run(name, "fgsm,pgd", ",".join(eps), n, *steps)
        told = ", ".join(f"{library} {seconds:.2f} s" for library, seconds in bare.items())
        print(f"{name}, FGSM + PGD-{STEPS}, {len(eps)} ε, {n} images: {told}, ours: {ours}")
        for library, seconds in bare.items():
            ratio = ours.cells / seconds
            aim = (f"≤ {target}", ratio <= target) if library == "torchattacks" else ("–", True)
            found.add(f"{name}, {len(eps)} ε, over {library}", ratio, *aim)
        if name in world.limit and len(eps) == 1:
            share = ours.rate / world.limit[name]
            found.add(f"{name}, PGD's gradients/s over the limit", share, "≥ 0.85", share >= 0.85)


def grid(world: World, found: Findings) -> None:
    """Four ε, of which the harness attacks survivors only."""
    compared(world, found, EPS, 0.6)


def one(world: World, found: Findings) -> None:
    """One ε: the harness attacks as many images as the libraries."""
    compared(world, found, EPS[-1:], 1.10)


def restarts(world: World, found: Findings) -> None:
    """Ten restarts of PGD, each on the images that still stand, of which the harness runs several in one batch."""
    name = "baseline_cnn.pgd_at"
    model, (images, targets) = world.plain[name], world.images[name]

    def bare() -> None:
        attack = pgd_at(model, 8 / 255)
        for x, y in zip(images.split(1000), targets.split(1000), strict=True):
            for _ in range(10):
                stands = model(attack(x, y)).argmax(1) == y
                x, y = x[stands], y[stands]
                if not len(x):
                    break

    seconds = world.seconds(bare)
    ours = world.run(name, "pgd", EPS[-1], world.options.n, "--steps", str(STEPS), "--restarts", "10")
    print(f"{name}, PGD-{STEPS}x10, {world.options.n} images: torchattacks {seconds:.2f} s, ours: {ours}")
    found.add("ten restarts, over torchattacks", ours.cells / seconds, "≤ 1.0", ours.cells <= seconds)


def autoattack(world: World, found: Findings) -> None:
    """The published AutoAttack; in the small run that of ten steps."""
    n, small = world.options.n_autoattack, world.options.small
    name = "baseline_cnn.pgd_at"
    model, (x, y) = world.plain[name], world.images[name]

    def bare() -> None:
        attack = torchattacks.AutoAttack(model, eps=8 / 255, seed=0)
        for part in attack._autoattack.attacks[:3]:
            part.steps = 10 if small else 100
        attack(x[:n], y[:n])

    with contextlib.redirect_stdout(io.StringIO()):
        seconds = world.seconds(bare)
    ours = world.run(name, "autoattack10" if small else "autoattack", "8/255", n)
    print(f"AutoAttack, {n} images: torchattacks {seconds:.2f} s, ours: {ours}")
    found.add("AutoAttack, over torchattacks", ours.cells / seconds, "≤ 1.1", ours.cells <= 1.1 * seconds)


def networks(world: World, found: Findings) -> None:
    """Networks that are not of the zoo: their limit, and the library on the plain against the deployed one."""
    torch.manual_seed(0)
    made = {
        "resnet18, 3×224×224": (torchvision.models.resnet18(num_classes=10), 224),
        "WRN-28-10, 3×32×32": (wide_resnet(), 32),
    }
    for name, (model, size) in made.items():
        plain = model.to(world.device).eval().requires_grad_(False)
        x = torch.rand(world.options.n_networks, 3, size, size, device=world.device)
        with torch.no_grad():
            y = torch.cat([plain(part).argmax(1) for part in x.split(250)])
        print(name)
        ready = folded_if_equal(deployed(plain, world.device), x[:100])
        sizes = (1, len(x)) if world.options.small else (100, 250, 500, 1_000)
        fastest = best_rate(world, ready, x, y, sizes)
        spent = [world.seconds(lambda m=model, x=x, y=y: pgd(m, x, y)) for model in (plain, ready)]
        reached = STEPS * len(x) / spent[1] / fastest
        print(f"  PGD-{STEPS}, {len(x)} images: plain {spent[0]:.2f} s, deployed {spent[1]:.2f} s")
        found.add(f"{name}, deployed over plain", spent[1] / spent[0], "≤ 1.1", spent[1] <= 1.1 * spent[0])
        found.add(f"{name}, PGD's gradients/s over the limit", reached, "≥ 0.85", reached >= 0.85)


def pgd(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """PGD by torchattacks, 250 images at a time."""
    attack = torchattacks.PGD(model, eps=8 / 255, alpha=1 / 255, steps=STEPS)
    attack.set_device(x.device)
    for part, labels in zip(x.split(250), y.split(250), strict=True):
        attack(part, labels)


class Wide(nn.Module):
    """A block of a wide residual network (Zagoruyko & Komodakis 2016): norm and ReLU before each convolution."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.before, self.between = nn.BatchNorm2d(inputs), nn.BatchNorm2d(outputs)
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        same = inputs == outputs and stride == 1
        self.short = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        ready = F.relu(self.before(x))
        carried = x if isinstance(self.short, nn.Identity) else self.short(ready)
        return carried + self.second(F.relu(self.between(self.first(ready))))


def wide_resnet(depth: int = 28, width: int = 10) -> nn.Module:
    """WRN-28-10 for 32×32 pixels with random weights."""
    parts: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False)]
    inputs = 16
    for stage, outputs in enumerate((16 * width, 32 * width, 64 * width)):
        for place in range((depth - 4) // 6):
            parts.append(Wide(inputs, outputs, 2 if stage and not place else 1))
            inputs = outputs
    end = (nn.BatchNorm2d(inputs), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))
    return nn.Sequential(*parts, *end)


def zoo(world: World, found: Findings) -> None:
    """All models on the digits, the command as a user starts it: imports, pages and all."""
    names = "baseline_cnn_4,parallel_gcnn_4" if world.options.small else "all"
    words = [sys.executable, "-m", "bench.commands.cli", "run", "--zoo", names, "--attacks", "fgsm,pgd",
             "--device", world.device, *(("--n", "20") if world.options.small else ())]  # fmt: skip
    root = str(Path(__file__).resolve().parents[1])
    place = tempfile.mkdtemp(dir=world.folder)
    environment = {**os.environ, "PYTHONPATH": root}
    seconds = world.seconds(
        lambda: subprocess.run(words, cwd=place, env=environment, check=True, capture_output=True)
    )
    print(f"bench run --zoo {names} on the digits: {seconds:.1f} s")
    found.add(f"bench run --zoo {names} on the digits, seconds", seconds, "≤ 15", seconds <= 15)


def training(world: World, found: Findings) -> None:
    """Seconds of a second epoch, checkpoint included; `training.py` has more."""
    random = np.random.default_rng(0)
    count = world.options.train
    pixels = random.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    labels = random.integers(0, 10, count)
    data = Dataset("random", "train", pixels, labels, tuple("0123456789"), 255, "random")
    for name in ("standard", "pgd_at"):
        ends: list[float] = []

        def watch(now: Progress, ends: list[float] = ends) -> None:
            if now.batch == now.batches:
                ends.append(time.perf_counter())

        with tempfile.TemporaryDirectory(dir=world.folder) as out:
            train("baseline_cnn", data, test=None, recipe=recipe(name), out=Path(out), device=world.device,
                  epochs=2, progress=watch)  # fmt: skip
        spent = ends[1] - ends[0]
        print(f"baseline_cnn, {name}, {count} images: {spent:.2f} s an epoch, {count / spent:,.0f} images/s")


if __name__ == "__main__":
    main()
