"""Training by stages with held-out images: what is turned and attacked, what is kept apart, what is kept."""

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from bench.commands.trainings import Training, finished
from bench.inputs.sources import find_model
from tests.own import call
from tests.staged import ENDS, STAGED, TEST, TRAIN, Killed, files, run
from zoo import data, entries, held_out, registry, train, writing
from zoo.entries import UnknownModel
from zoo.models import build
from zoo.recipes import Stage, recipe
from zoo.registry import WeightsError
from zoo.spatial import drawn, moved
from zoo.train import Progress, Trained, TrainError


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return run(tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize(("epoch", "batch"), [(2, 1), (2, 2), (3, 2), (4, 1), (6, 2)])
def test_stopped_run_goes_on_in_the_right_stage_to_the_same_bits(
    whole: Trained, tmp_path: Path, epoch: int, batch: int
) -> None:
    def kill(now: Progress) -> None:
        if (now.epoch, now.batch) == (epoch, batch):
            raise Killed

    with pytest.raises(Killed):
        run(tmp_path, progress=kill)
    seen: list[Progress] = []
    again = run(tmp_path, progress=seen.append)
    assert files(again) == files(whole)
    assert again.history == whole.history
    assert {now.epoch for now in seen} == set(range(epoch + (batch == 2), 7))
    for now in seen:
        stage = next(place for place, end in enumerate(ENDS) if now.epoch <= end)
        assert (now.stage, now.rotation, now.eps) == (
            stage + 1,
            (30, 90, 180)[stage],
            (0.01, 0.02, 0.04)[stage],
        )


def test_progress_tells_the_held_out_accuracy_with_each_epochs_last_batch(tmp_path: Path) -> None:
    seen: list[Progress] = []
    done = run(tmp_path, progress=seen.append)
    assert [now.held_out is None for now in seen] == [True, False] * 6
    assert tuple(now.held_out for now in seen if now.batch == 2) == done.history
    assert all(now.batches == 2 for now in seen)  # 160 of the 200 images


def test_images_are_turned_then_attacked_and_only_attacked_ones_are_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[tuple[torch.Tensor, torch.Tensor, float]] = []
    inputs: list[torch.Tensor] = []
    learned = train.learned

    def watched(model: Any, x: Any, y: Any, recipe: Any, eps: float, *rest: Any) -> Any:
        hook = model.register_forward_pre_hook(
            lambda net, given: inputs.append(given[0]) if net.training else None
        )
        try:
            batches.append((x.clone(), y, eps))
            return learned(model, x, y, recipe, eps, *rest)
        finally:
            hook.remove()

    monkeypatch.setattr(train, "learned", watched)
    run(tmp_path, recipe=dataclasses.replace(STAGED, epochs=3, held_out=0.0))
    assert [eps for *_, eps in batches] == [0.01] * 2 + [0.02] * 2 + [0.04] * 2
    images, labels = TRAIN.images(), TRAIN.targets()
    for number, epoch, theta in ((0, 0, 30), (2, 1, 90), (4, 2, 180)):
        torch.manual_seed(train._seed(f"0 {epoch}"))
        chosen = torch.randperm(200).tensor_split(2)[0]
        angles = drawn(None, len(chosen), theta)
        assert torch.equal(batches[number][0], moved(images[chosen], angles))
        assert torch.equal(batches[number][1], labels[chosen])
        assert len({*angles.tolist()}) == len(angles)
    assert len(inputs) == len(batches)  # one step a batch, on nothing else
    for given, (x, _, eps) in zip(inputs, batches, strict=True):
        distance = (given - x).abs().flatten(1).amax(1)
        assert distance.max() <= eps + 1e-6
        assert distance.min() > eps / 2


# held-out images


@pytest.mark.parametrize("share", [0.05, 0.1, 0.3])
def test_every_class_gives_its_share(share: float) -> None:
    labels = torch.tensor(data.load("digits", "train").labels)
    kept, held = held_out.split(labels, share)
    assert torch.equal(torch.cat([kept, held]).sort().values, torch.arange(len(labels)))
    for kind in range(10):
        count = int((labels == kind).sum())
        assert abs(int((labels[held] == kind).sum()) - share * count) <= 0.5
    larger = held_out.split(labels, 0.5)[1]
    assert set(held.tolist()) < set(larger.tolist())


def test_the_draw_is_pinned() -> None:
    kept, held = held_out.split(torch.arange(40) % 2, 0.1)
    assert held.tolist() == [8, 15, 18, 25]
    assert len(kept) == 36
    assert held_out.split(torch.arange(40), 0.0)[1].tolist() == []


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_a_share_that_leaves_nothing_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(TrainError, match=r"held_out 0\.\d+ holds out (0|200) of 200 images"):
        run(tmp_path, recipe=dataclasses.replace(STAGED, held_out=share))


def test_held_out_images_are_never_trained_on(whole: Trained, tmp_path: Path) -> None:
    kept, held = held_out.split(torch.tensor(TRAIN.labels), 0.2)
    for places, same in ((held, True), (kept[:1], False)):
        pixels = TRAIN.pixels.copy()
        pixels[places.numpy()] = 16 - pixels[places.numpy()]
        poisoned = run(tmp_path / str(same), dataclasses.replace(TRAIN, pixels=pixels))
        assert (files(poisoned)[0] == files(whole)[0]) is same
        assert same is False or poisoned.history != whole.history


def test_held_out_accuracy_by_hand() -> None:
    torch.manual_seed(1)
    model = build("baseline_cnn_4", channels=1, size=16).train()
    pixels, labels = torch.tensor(TEST.pixels), TEST.targets()

    def measured(**stage: float) -> float:
        share = 1.0 if "eps" in stage else 0.0
        ours = dataclasses.replace(STAGED, share=share, stages=(Stage(until=1, **stage),))
        return held_out.accuracy(model, pixels, labels, ours, 16, "cpu")

    with torch.no_grad():
        plain, x = measured(), TEST.images()
        model.eval()
        assert plain == pytest.approx((model(x).argmax(1) == labels).double().mean().item())
        torch.manual_seed(held_out.SEED)
        turned = (model(moved(x, drawn(None, 200, 90))).argmax(1) == labels).double().mean().item()
        model.train()
    assert measured(rotation=90) == pytest.approx(turned)
    assert measured(eps=0.1) < plain
    assert measured(rotation=90, eps=0.02) == measured(rotation=90, eps=0.02)
    assert model.training


# the best epoch


def test_the_first_of_the_best_epochs_is_kept_and_both_load_under_their_names(
    whole: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = iter([0.2, 0.5, 0.4, 0.5, 0.1, 0.3])
    monkeypatch.setattr(held_out, "accuracy", lambda *arguments: next(told))
    states: list[dict] = []

    def watch(now: Progress) -> None:
        if now.test_accuracy is not None:
            kept = torch.load(tmp_path / "digits" / "baseline_cnn_4.mine.ckpt", weights_only=True)
            states.append(kept["model"])

    done = run(tmp_path, progress=watch)
    assert done.history == (0.2, 0.5, 0.4, 0.5, 0.1, 0.3)
    assert done.best is not None
    last, best = done.record, done.best.record
    assert (last.epoch, last.held_out_acc, last.file) == (6, 0.3, "digits/baseline_cnn_4.mine.safetensors")
    assert (best.epoch, best.held_out_acc, best.file) == (
        2,
        0.5,
        "digits/baseline_cnn_4.mine-best.safetensors",
    )
    assert files(done)[0] == files(whole)[0]
    for record, state in ((last, states[5]), (best, states[1])):
        written = safetensors.torch.load(record.path.read_bytes())
        assert all(torch.equal(written[key].float(), value.half().float()) for key, value in state.items())
        found = registry.find(record.name, "digits", tmp_path)
        assert found == record
        model = registry.load_record(found)
        assert (model(TEST.images()).argmax(1) == TEST.targets()).double().mean().item() == record.clean_acc
        assert find_model(record.name, dataset="digits", weights=None, weights_from=str(tmp_path))[1].weights
    rows = json.loads((tmp_path / "weights.json").read_text())
    assert rows["digits/baseline_cnn_4.mine-best"]["recipe"] == STAGED.row
    with pytest.raises(
        WeightsError, match=r"no weights of baseline_cnn_4\.mine@1 .* zoo.train.train and your recipe"
    ):
        registry.find("baseline_cnn_4.mine@1", "digits", tmp_path)
    with pytest.raises(WeightsError, match=r"`bench train baseline_cnn_4\.cusp-best --dataset digits --out "):
        registry.find("baseline_cnn_4.cusp-best", "digits", tmp_path)
    with pytest.raises(UnknownModel, match=r"unknown model 'baseline_cnn_4\.other'"):
        registry.find("baseline_cnn_4.other", "digits", tmp_path)


@pytest.mark.parametrize("spoilt", ["baseline_cnn_4.mine", "baseline_cnn_4.mine-best"])
def test_both_are_compared_with_what_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoilt: str
) -> None:
    load = registry.load_record

    def loaded(record: registry.WeightsRecord) -> torch.nn.Module:
        model = load(record)
        for value in model.parameters() if record.name == spoilt else ():
            value.zero_()
        return model

    monkeypatch.setattr(writing.registry, "load_record", loaded)
    with pytest.raises(
        TrainError, match=rf"{spoilt}: written and loaded again, its weights change \d+ of 200"
    ):
        run(tmp_path, recipe=dataclasses.replace(STAGED, epochs=3))


def test_without_held_out_images_nothing_is_kept_of_a_best_epoch(tmp_path: Path) -> None:
    keys: list[set] = []

    def watch(now: Progress) -> None:
        if now.test_accuracy is not None:
            kept = torch.load(next(tmp_path.rglob("*.ckpt")), weights_only=True)
            keys.append(set(kept))

    done = run(tmp_path, recipe=recipe("standard", 16, epochs=1), progress=watch)
    assert keys == [{"fingerprint", "epoch", "seconds", "curve", "model", "optimizer"}]
    assert (done.best, done.history, done.record.epoch, done.record.held_out_acc) == (None, (), None, None)
    assert {path.name for path in (tmp_path / "digits").iterdir()} == {
        "baseline_cnn_4.safetensors", "baseline_cnn_4.csv",
    }  # fmt: skip


def test_rows_that_are_there_stay_byte_for_byte(whole: Trained, tmp_path: Path) -> None:
    table = tmp_path / "weights.json"
    shipped = (registry.SHIPPED / "weights.json").read_text()
    table.write_text(shipped)
    assert whole.best is not None
    registry.add(tmp_path, whole.best.record)
    added = json.dumps(
        {whole.best.record.key: json.loads(table.read_text())[whole.best.record.key]}, indent=1
    )
    inner = added.removeprefix("{\n").removesuffix("\n}")
    assert table.read_text().replace(f"{inner},\n", "") == shipped


@pytest.mark.parametrize("name", ["trades", "rotate60", "rotate180+pgd_at"])
def test_other_recipes_train_and_are_found(tmp_path: Path, name: str) -> None:
    done = run(tmp_path, recipe=recipe(name, 16, epochs=1), seed=1)
    assert done.record.name == f"baseline_cnn_4.{name}@1"
    assert (done.best is None) == (name == "rotate60")
    assert registry.load(done.record.name, weights_from=tmp_path)(TEST.images()[:2]).shape == (2, 10)


# the command


def test_cusp_from_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = (
        "train",
        "baseline_cnn_4.cusp",
        "--threads",
        1,
        "--width",
        0.25,
        "--seeds",
        "0",
        "--out",
        tmp_path,
    )
    answer = call(capsys, *words, "--epochs", 2)
    assert answer.code == 0
    lines = answer.err.splitlines()
    assert "1437 images (10 % held out), recipe cusp, seed 0" in lines[0]
    assert [line.split()[0] for line in lines[1:5]] == ["stage", "epoch", "stage", "epoch"]
    assert lines[1] == "stage 1 of 3: rotation ±120°, ε 0.025"
    assert lines[3] == "stage 3 of 3: rotation ±180°, ε 0.1"
    assert all("  held out " in line and "  test " in line for line in lines[2:5:2])
    known = registry.records(tmp_path)
    assert set(known) == {"digits/baseline_cnn_4.cusp", "digits/baseline_cnn_4.cusp-best"}
    assert known["digits/baseline_cnn_4.cusp"].recipe == recipe("cusp", 16, epochs=2).row
    for record in known.values():
        assert f"epoch {record.epoch}, held out {100 * (record.held_out_acc or 0):.2f} %, clean" in answer.err
    assert "already trained" in call(capsys, *words, "--epochs", 2).err
    training = Training(entries.entry("baseline_cnn_4"), recipe("cusp", 16, epochs=2), 0)
    asked = (training, data.load("digits", "train"), 0.25)
    assert finished(tmp_path, *asked) == known["digits/baseline_cnn_4.cusp"]
    known["digits/baseline_cnn_4.cusp-best"].path.unlink()
    assert finished(tmp_path, *asked) is None


def test_held_out_share_from_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ("--epochs", 1, "--threads", 1, "--width", 0.25, "--out", tmp_path)
    assert call(capsys, "train", "baseline_cnn_4.standard-best", *words, "--held-out", 0.2).code == 0
    assert call(capsys, "train", "baseline_cnn_4.trades", *words, "--held-out", 0).code == 0
    known = registry.records(tmp_path)
    shares = {key.partition("/")[2]: record.recipe.get("held_out") for key, record in known.items()}
    assert shares == {
        "baseline_cnn_4": 0.2,
        "baseline_cnn_4.standard-best": 0.2,
        "baseline_cnn_4.trades": None,
    }


@pytest.mark.slow
def test_cusp_learns_digits(tmp_path: Path) -> None:
    digits, test = data.load("digits", "train"), data.load("digits", "test")
    ours = recipe("cusp", 16, epochs=12)
    done = train.train("baseline_cnn_4", digits, test=test, recipe=ours, out=tmp_path)
    assert done.record.clean_acc is not None
    assert done.record.clean_acc > 0.9
    assert done.history[-1] > done.history[0] + 0.1


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (("baseline_cnn_4.cusp", "--held-out", "1"), "--held-out is 1; give a share"),
        (("baseline_cnn_4.cusp", "--held-out=-0.1"), "--held-out is -0.1; give a share"),
        (("baseline_cnn_4.cusp", "--held-out", "nan"), "--held-out is nan; give a share"),
        (
            ("baseline_cnn_4.pgd_at-best",),
            "baseline_cnn_4.pgd_at-best is the best epoch on held-out images; add",
        ),
        (("baseline_cnn_4.rotate200",), "unknown model 'baseline_cnn_4.rotate200'"),
        (("baseline_cnn_4", "--recipe", "rotate200"), "unknown recipe 'rotate200'"),
    ],
)
def test_what_the_command_refuses(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: tuple, fragment: str
) -> None:
    answer = call(capsys, "train", *words, "--out", tmp_path)
    assert answer.code == 2
    assert fragment in answer.err
    assert answer.err.count("\n") == 1


def test_learning_curve_is_the_same_after_a_stop(whole: Trained, tmp_path: Path) -> None:
    def kill(now: Progress) -> None:
        if now.epoch == 4:
            raise Killed

    seen: list[Progress] = []
    with pytest.raises(Killed):
        run(tmp_path, progress=kill)
    path = tmp_path / "digits" / whole.record.path.with_suffix(".csv").name
    assert len(path.read_text().splitlines()) == 1 + 3
    run(tmp_path, progress=seen.append)
    table = path.read_text()
    assert table == whole.record.path.with_suffix(".csv").read_text()
    rows = list(csv.DictReader(table.splitlines()))
    assert [int(row["stage"]) for row in rows] == [1, 1, 2, 3, 3, 3]
    assert tuple(float(row["held_out"]) for row in rows) == whole.history
    assert float(rows[-1]["loss"]) == seen[-1].loss
    assert float(rows[-1]["test_accuracy"]) == seen[-1].test_accuracy
