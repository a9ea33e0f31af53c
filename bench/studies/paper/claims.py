"""The paper's claims about measurements: their place, the paper's own words, and the tests of each here."""

from __future__ import annotations

from collections.abc import Iterable

from bench.studies.paper.claim import EPS, PaperClaim, Test

CIFAR10, CIFAR100, CIFAR10C = "cifar10", "cifar100", "cifar10c"
_HIGHER = EPS[11:]  # from 0.12 on every curve of Figure 2 the sentence is about is printed below 15 %
_NEGLIGIBLE = 0.05
_COMPETITIVE = -0.05
_GRADIENT = ("fgsm", "pgd")


def _beats(
    winners: Iterable[str],
    losers: Iterable[str],
    of: Iterable[str] = _GRADIENT,
    *,
    eps: tuple[float, ...] = EPS,
    every: bool = False,
    most: bool = False,
) -> tuple[Test, ...]:
    losers, of = tuple(losers), tuple(of)
    return tuple(
        Test(a=a, b=b, of=x, eps=eps, every=every, most=most) for a in winners for b in losers for x in of
    )


_JOINED = ("parallel_gcnn", "parallel_gcnn_rs")
_MODERATE = (0.01, 0.03, 0.05)
_APP_D = (0.01, 0.03, 0.05, 0.10)
_AT = ("baseline_cnn.pgd_at",)
_FOUR = tuple(f"{name}_4" for name in ("baseline_cnn", "parallel_gcnn", "cascaded_gcnn", "weighted_gcnn_rs"))
_TEN = tuple(name.removesuffix("_4") for name in _FOUR)
_LOW = EPS[:4]

CLAIMS = (
    PaperClaim(
        id="improve",
        where="Abstract",
        quote="consistently improve adversarial robustness and generalization across"
        " CIFAR-10, CIFAR-100, and CIFAR-10C",
        reading="The parallel and cascaded designs against the baseline, in the mean over ε, on all three data sets.",
        sections=("figure2", "table1"),
        data=(CIFAR10, CIFAR100, CIFAR10C),
        tables=("figure2", "table1"),
        tests=(
            *_beats((*_JOINED, "cascaded_gcnn"), ["baseline_cnn"]),
            *_beats((*_JOINED, "cascaded_gcnn"), ["baseline_cnn"], ["corrupted"], eps=_LOW),
        ),
        everywhere=True,
    ),
    PaperClaim(
        id="beat-baseline",
        where="Sec. 1",
        quote="significantly outperform standard CNNs in adversarial accuracy without requiring adversarial training",
        reading="Parallel GCNN and its R&S variant, trained on clean images, against the baseline, in the mean over ε.",
        sections=("figure2",),
        data=(CIFAR10, CIFAR100),
        tables=("figure2",),
        tests=_beats(_JOINED, ["baseline_cnn"]),
        everywhere=True,
    ),
    PaperClaim(
        id="concatenation",
        where="Sec. 1",
        quote="concatenation consistently outperforms weighted fusion in adversarial settings",
        reading="R&S against Weighted, the same branches fused otherwise, in the mean over ε and against it at none.",
        sections=("figure2",),
        data=(CIFAR10, CIFAR100),
        tables=("figure2",),
        tests=_beats(["parallel_gcnn_rs"], ["weighted_gcnn_rs"], every=True),
        everywhere=True,
    ),
    PaperClaim(
        id="parallel",
        where="App. F.2",
        quote="The parallel design consistently outperforms the cascaded design in both clean and adversarial settings",
        reading="Parallel and R&S against Cascaded, clean and in the mean over ε, and against it at none.",
        sections=("figure2",),
        data=(CIFAR10, CIFAR100),
        tables=("figure2",),
        tests=_beats(_JOINED, ["cascaded_gcnn"], ("clean", *_GRADIENT), every=True),
        everywhere=True,
    ),
    PaperClaim(
        id="rs-best",
        where="Sec. 6.2, Figure 2",
        quote="maintained the highest adversarial robustness across all perturbation levels",
        reading="R&S of 10 layers against each of the four others, in the mean over ε, and against it at no ε.",
        sections=("figure2",),
        data=(CIFAR10, CIFAR100),
        tables=("figure2",),
        tests=_beats(["parallel_gcnn_rs"], _TEN, every=True),
        everywhere=True,
    ),
    PaperClaim(
        id="rs-best-4",
        where="Sec. 6.2, Figure 1",
        quote="For CIFAR-10, the Parallel GCNN with Rotation and Scale Branch exhibited the highest robustness",
        reading="R&S of 4 layers against each of the four others, in the mean over ε.",
        sections=("figure1",),
        data=(CIFAR10,),
        tables=("figure1",),
        tests=_beats(["parallel_gcnn_rs_4"], _FOUR),
    ),
    PaperClaim(
        id="rs-best-4-cifar100",
        where="Sec. 6.2, Figure 1",
        quote="remained the most robust particularly at higher perturbations",
        reading="R&S of 4 layers on CIFAR-100 against each of the four others, in the mean over ε.",
        sections=("figure1",),
        data=(CIFAR100,),
        tables=("figure1",),
        tests=_beats(["parallel_gcnn_rs_4"], _FOUR),
    ),
    PaperClaim(
        id="below-15",
        where="Sec. 6.2",
        quote="adversarial accuracies dropping below 15% for FGSM",
        reading="Cascaded and Weighted under FGSM at each ε of “higher perturbation levels”, read as 0.12 to 0.15.",
        sections=("figure2",),
        data=(CIFAR10, CIFAR100),
        tables=("figure2",),
        tests=tuple(
            Test(a=name, of="fgsm", eps=_HIGHER, bound=0.15, sign=-1)
            for name in ("cascaded_gcnn", "weighted_gcnn_rs")
        ),
        everywhere=True,
    ),
    PaperClaim(
        id="negligible",
        where="Sec. 6.2",
        quote="almost negligible for PGD attacks at higher perturbation levels",
        reading="Cascaded and Weighted under PGD at each ε from 0.12 to 0.15; “negligible” is read as below 5 %.",
        sections=("figure2",),
        data=(CIFAR10, CIFAR100),
        tables=("figure2",),
        tests=tuple(
            Test(a=name, of="pgd", eps=_HIGHER, bound=_NEGLIGIBLE, sign=-1)
            for name in ("cascaded_gcnn", "weighted_gcnn_rs")
        ),
        everywhere=True,
    ),
    PaperClaim(
        id="deeper",
        where="App. D",
        quote="consistently outperforms the 4-layer variant across all perturbation levels",
        reading="The fully equivariant network of 10 layers against 4, in the mean over ε, and against it at none.",
        sections=("table2", "table3"),
        data=(CIFAR10, CIFAR100),
        tables=("table2", "table3"),
        tests=_beats(["equivariant_gcnn"], ["equivariant_gcnn_4"], eps=_APP_D, every=True),
        everywhere=True,
    ),
    PaperClaim(
        id="deeper-by",
        where="App. D",
        quote="improvements of 7-15% in FGSM accuracy and 10-30% in PGD accuracy at moderate perturbations",
        reading="10 layers less 4, in points, in the mean over ε = 0.01, 0.03 and 0.05, read as “moderate”.",
        sections=("table2", "table3"),
        data=(CIFAR10, CIFAR100),
        tables=("table2", "table3"),
        tests=tuple(
            Test(
                a="equivariant_gcnn",
                b="equivariant_gcnn_4",
                of=of,
                eps=_MODERATE,
                bound=bound,
                sign=sign,
            )
            for of, bound, sign in (
                ("fgsm", 0.07, 1),
                ("fgsm", 0.15, -1),
                ("pgd", 0.10, 1),
                ("pgd", 0.30, -1),
            )
        ),
        everywhere=True,
    ),
    PaperClaim(
        id="depth-hurts",
        where="App. D",
        quote="standard CNNs, where increased depth often amplifies adversarial vulnerability",
        reading="The baseline of 4 layers against that of 10, in the mean over ε; more than half of the tests decide.",
        sections=("figure1", "figure2"),
        data=(),
        tables=("figure1", "figure2"),
        tests=_beats(["baseline_cnn_4"], ["baseline_cnn"]),
        often=True,
    ),
    PaperClaim(
        id="at-fgsm",
        where="App. E, Table 4",
        quote="achieves superior FGSM robustness",
        reading="The fully equivariant network, trained on clean images, against the adversarially trained CNN"
        " under FGSM, in the mean over ε = 0.01 … 0.05.",
        sections=("table4",),
        data=(CIFAR10,),
        tables=("table4",),
        tests=_beats(["equivariant_gcnn"], _AT, ["fgsm"], eps=EPS[:5]),
    ),
    PaperClaim(
        id="at-pgd",
        where="App. E, Table 4",
        quote="maintains competitive PGD robustness",
        reading="The same two under PGD; “competitive” is read as less than 5 points behind, in the mean over ε.",
        sections=("table4",),
        data=(CIFAR10,),
        tables=("table4",),
        tests=(
            Test(a="equivariant_gcnn", b="baseline_cnn.pgd_at", of="pgd", eps=EPS[:5], bound=_COMPETITIVE),
        ),
    ),
    PaperClaim(
        id="rotation-scale",
        where="App. F.2, Figure 6",
        quote="demonstrated better performance than scale-equivariant convolutions individually",
        reading="Parallel GCNN with a rotation branch against a scale branch, in the mean over ε = 0.01 … 0.04.",
        sections=("figure6",),
        data=(CIFAR100,),
        tables=("figure6",),
        tests=_beats(["parallel_gcnn"], ["parallel_gcnn_scale"], eps=_LOW),
    ),
    PaperClaim(
        id="ablation",
        where="App. F.2, Figure 6",
        quote="consistently outperformed other models, achieving the highest robustness across all settings",
        reading="R&S against each branch alone and the baseline, in the mean over ε = 0.01 … 0.04, against it at none.",
        sections=("figure6",),
        data=(CIFAR100,),
        tables=("figure6",),
        tests=_beats(
            ["parallel_gcnn_rs"],
            ["parallel_gcnn", "parallel_gcnn_scale", "baseline_cnn"],
            eps=_LOW,
            every=True,
        ),
    ),
    PaperClaim(
        id="baseline-below-1",
        where="App. F.2, Figure 6",
        quote="with accuracy falling below 1%",
        reading="The baseline under PGD at each ε of “higher perturbations”, read as 0.02 to 0.04 of the ablation.",
        sections=("figure6",),
        data=(CIFAR100,),
        tables=("figure6",),
        tests=(Test(a="baseline_cnn", of="pgd", eps=_LOW[1:], bound=0.01, sign=-1),),
    ),
    PaperClaim(
        id="corrupted-best",
        where="Sec. 6.2, Table 1",
        quote="consistently achieved the best performance across most corruption types",
        reading="Parallel GCNN ahead of each of the four others under more than half of the corruption types of"
        " CIFAR-10-C, under PGD, in the mean over severities and ε.",
        sections=("table1",),
        data=(CIFAR10C,),
        tables=("table1",),
        tests=_beats(
            ["parallel_gcnn"],
            ["baseline_cnn", "parallel_gcnn_rs", "cascaded_gcnn", "weighted_gcnn_rs"],
            ["corrupted"],
            eps=_LOW,
            most=True,
        ),
    ),
    PaperClaim(
        id="corrupted-rs",
        where="Sec. 6.2, Table 1",
        quote="does not perform so well compared with baseline model under the data corruption",
        reading="R&S below the baseline on CIFAR-10-C under PGD, in the mean over severities, corruptions and ε.",
        sections=("table1",),
        data=(CIFAR10C,),
        tables=("table1",),
        tests=_beats(["baseline_cnn"], ["parallel_gcnn_rs"], ["corrupted"], eps=_LOW),
    ),
    PaperClaim(
        id="mip",
        where="App. F.1, Figure 5",
        quote="substantially higher tolerance for perturbations compared to the baseline CNN",
        reading="Share of random pixel values that can be removed, Parallel GCNN against the baseline.",
        sections=("figure5",),
        data=(CIFAR10,),
        tables=("figure5",),
        tests=_beats(["parallel_gcnn"], ["baseline_cnn"], ["mip"]),
    ),
)
