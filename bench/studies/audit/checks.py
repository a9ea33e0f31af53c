"""The literal table of checks: rule, threshold, and the remedy for a flag."""

from __future__ import annotations

from bench.studies.audit.check import FULL, Check

_AA = "AutoAttack's checks"
_CARLINI = "Carlini et al. 2019"
_ATHALYE = "Athalye et al. 2018"
_PINTOR = "Pintor et al. 2022"

CHECKS: dict[str, Check] = {
    check.id: check
    for check in (
        Check(
            id="C1", title="The same image gets the same answer", kind="fatal", cost="probe", threshold=1e-4,
            rule=(
                "over repeated calls, with other batches between them, logits or input gradients differ by "
                "more than 1e-4 of their length, or the number of right answers changes, or the model draws "
                "random numbers"
            ),
            source=f"{_AA} (randomised defences); RobustBench; the mix with other batches is ours",
            meaning="The model answers at random or remembers earlier calls, so single gradients mislead.",
            remedy="Switch off randomness and memory in eval mode, or attack the expectation (eot_pgd).",
        ),
        Check(
            id="C2", title="The model gives logits, not probabilities", kind="fatal", cost="probe",
            threshold=1e-5,
            rule="after division by the mean row sum, all values lie in [0, 1] and all rows sum to 1",
            source=f"{_AA} (range of the output)",
            meaning="A softmax before the cross-entropy flattens gradients, so attacks stall.",
            remedy="Return what goes into the softmax.",
        ),
        Check(
            id="C3", title="Input gradients do not vanish", kind="fatal", cost="probe", threshold=0.01,
            rule="the gradient of cross-entropy or margin is 0 on over 1 % of images, there or at a point nearby",
            source=f"{_AA} (zero gradients); {_PINTOR}; {_ATHALYE}; 1 % is ours",
            meaning="Gradient attacks cannot change these images, so they wrongly count as robust.",
            remedy="Remove rounding, saturation and clipping between image and logits, or bypass them (BPDA).",
        ),
        Check(
            id="C4", title="The graph from image to logits is whole", kind="fatal", cost="probe",
            rule="asking for the gradient raises, or there is none",
            source=f"{_PINTOR} (interrupted computational graph)",
            meaning="No gradient attack can run against this model.",
            remedy="Remove detach, no_grad and numpy from the forward pass.",
        ),
        Check(
            id="C5", title="No optimisation inside the forward pass", kind="fatal", cost="probe", threshold=0.0,
            rule="a forward pass calls autograd",
            source=f"{_AA} (dynamic defences); RobustBench",
            meaning="The model adapts to each image at test time; ordinary attacks do not take this into account.",
            remedy="Attack the whole procedure with an adaptive attack, or measure the model without it.",
        ),
        Check(
            id="C6", title="There are enough classes for every loss", kind="inform", cost="probe",
            threshold=10.0,
            rule="fewer than 3 classes (no DLR loss), 4 (no targeted DLR) or 10 (fewer than 9 targets)",
            source=f"{_AA} (number of classes)",
            meaning="Some attacks of the usual set are undefined or smaller for this data set.",
            remedy="Read the list of attacks: undefined ones were not run.",
        ),
        Check(
            id="C7", title="No black-box attack breaks what white-box attacks leave", kind="fatal", cost="run",
            threshold=0.002,
            rule=(
                "the share of images that only a black-box attack breaks exceeds 0.002 at its one-sided exact "
                "95 % lower bound; each such image is listed"
            ),
            source=f"{_AA} (Square); {_CARLINI}; {_ATHALYE}; the bound is ours",
            meaning="The gradients mislead: an attack without gradients is stronger.",
            remedy="Look for masked gradients (C3, C17, C32), and attack adaptively.",
        ),
        Check(
            id="C8", title="Many steps are no weaker than one", kind="strength", cost="run", threshold=0.0,
            rule="accuracy under PGD is significantly above that under FGSM (paired 95 % bound)",
            source=f"{_CARLINI}; {_ATHALYE}",
            meaning="The iterative attack fails, as with masked gradients or bad step sizes.",
            remedy="Change step size, steps and random start, and look at C14 to C17.",
        ),
        Check(
            id="C9", title="A larger ball breaks no fewer images", kind="strength", cost="run", threshold=0.0,
            modes=(FULL,),
            rule="on independent runs, accuracy rises significantly from one ε to the next (paired 95 % bound)",
            source=f"{_CARLINI}; {_ATHALYE}",
            meaning="The attack misses perturbations that it found in a smaller ball.",
            remedy="Use more steps and restarts at the larger ε.",
        ),
        Check(
            id="C10", title="At ε = 0.5 accuracy falls to chance", kind="fatal", cost="run",
            rule=(
                "accuracy under PGD at ε = 0.5 (L∞) exceeds the share of the commonest class by more than 2 "
                "standard errors"
            ),
            source=f"{_CARLINI} (every image can be made plain grey)",
            meaning="The attack fails although a successful perturbation exists.",
            remedy="The gradients mislead the attack: see C3, C17 and C32.",
        ),
        Check(
            id="C11", title="Without a bound everything breaks", kind="fatal", cost="run", threshold=0.0,
            rule="an image survives PGD at ε = 1, where only the box bounds it",
            source=f"{_CARLINI}; {_PINTOR} (unconstrained attack failure); {_ATHALYE}",
            meaning="The attack fails although a successful perturbation exists.",
            remedy="The gradients mislead the attack: see C3, C17 and C32.",
        ),
        Check(
            id="C12", title="More steps break no more", kind="strength", cost="run", threshold=0.005,
            modes=(FULL,),
            rule="more steps lower accuracy by over 0.5 points at the paired 95 % bound",
            source=f"{_CARLINI}; 0.5 points are ours",
            meaning="The attack had not converged.",
            remedy="Raise --steps until nothing changes.",
        ),
        Check(
            id="C13", title="More restarts break no more", kind="strength", cost="run", threshold=0.005,
            modes=(FULL,),
            rule="20 restarts lower accuracy by over 0.5 points at the paired 95 % bound",
            source=f"{_CARLINI}; 0.5 points are ours",
            meaning="Success depends on the starting point.",
            remedy="Raise --restarts until nothing changes.",
        ),
        Check(
            id="C14", title="No other step size is stronger", kind="strength", cost="run", threshold=0.005,
            modes=(FULL,),
            rule="a step size of ε/10, ε/4 or ε lowers accuracy by over 0.5 points at the paired 95 % bound",
            source=f"{_CARLINI}; 0.5 points are ours",
            meaning="The step size was chosen badly.",
            remedy="Set --alpha to the better one, or use apgd_ce, which adapts it.",
        ),
        Check(
            id="C15", title="The loss has levelled off", kind="strength", cost="probe", threshold=0.05,
            rule=(
                "over the last 10 of 50 steps of PGD the best margin so far, scaled to [0, 1], still rises by more "
                "than 0.05 on average over the images that stand, at the 95 % bound"
            ),
            source=f"{_PINTOR} (incomplete optimisation)",
            meaning="PGD does not converge on this model; the usual number of steps stops it while it still improves.",
            remedy="Raise --steps, and see C12.",
        ),
        Check(
            id="C16", title="No earlier iterate was a success", kind="strength", cost="run", threshold=0.0,
            modes=(FULL,),
            rule=(
                "accuracy is significantly lower if every iterate is judged and not only the last (paired 95 % bound)"
            ),
            source=f"{_PINTOR} (silent success)",
            meaning="An earlier iterate broke the model, and the attack continued past it.",
            remedy="Measure with --best-iterate.",
        ),
        Check(
            id="C17", title="The loss is smooth around the images", kind="inform", cost="probe", threshold=0.1,
            rule="at random points within ±4/255 the margin changes by more than 10 % on average",
            source=f"{_PINTOR} (unstable predictions); taken of the margin, not the cross-entropy",
            meaning="The loss is noisy at the scale of an attack's step, so gradients are a poor guide.",
            remedy="Read C7 and C19, and use more restarts or eot_pgd.",
        ),
        Check(
            id="C18", title="No other model's adversarial images are stronger", kind="strength", cost="run",
            threshold=0.0, modes=(FULL,),
            rule=(
                "images attacked on another model break more than the white-box attacks (paired 95 % bound)"
            ),
            source=f"{_PINTOR} (transfer failure); {_CARLINI}",
            meaning="This model's own gradients are a worse guide than another model's.",
            remedy="Look for masked gradients, and keep the transferred images as an attack.",
        ),
        Check(
            id="C19", title="Random noise finds nothing new", kind="strength", cost="run", threshold=0.005,
            modes=(FULL,),
            rule=(
                "noise breaks images the white-box attacks leave, lowering accuracy by over 0.5 points at the "
                "paired 95 % bound"
            ),
            source=f"{_CARLINI} (10,000 draws and more); 0.5 points are ours",
            meaning="Random search is stronger than the gradients.",
            remedy="Look for masked gradients: see C3, C17 and C32.",
        ),
        Check(
            id="C20", title="Every perturbation lies in its ball and box", kind="inform", cost="stored",
            threshold=0.0,
            rule="the judge had to project an image, or failed a cell",
            source="the judge of this harness",
            meaning="A library left its ball or box. Projected images were judged again; failed cells are absent.",
            remedy="Look at the failed cells; projected images need no action.",
        ),
        Check(
            id="C21", title="An answer does not depend on how the model is called", kind="fatal", cost="probe",
            threshold=1e-3,
            rule=(
                "logits of clean or attacked images change by more than 1e-3 of the largest logit in another "
                "batch, in another order, or with gradients on"
            ),
            source="RobustBench and AutoAttack issues on re-evaluation; 1e-3 is ours",
            meaning="The judge does not see the same model as the attack.",
            remedy="Use batch norm in eval mode, and make the model independent of its caller.",
        ),
        Check(
            id="C22", title="Two libraries agree", kind="inform", cost="probe", threshold=1e-6,
            rule="FGSM or PGD of the two differ by over 1e-6 in a pixel, where a gradient exceeds 1e-30",
            source="this harness: on ordinary models they agree bit for bit",
            meaning="The gradients underflow, or change from call to call.",
            remedy="See C1 and C3; else report it as a fault of a library.",
        ),
        Check(
            id="C23", title="A ball of radius 0 breaks nothing", kind="fatal", cost="run", threshold=0.0,
            rule="accuracy under an attack at ε = 0 is not the clean accuracy",
            source="this harness",
            meaning="Unchanged images get other answers when judged again.",
            remedy="See C1 and C21.",
        ),
        Check(
            id="C24", title="A call does not change the model", kind="fatal", cost="probe", threshold=0.0,
            rule=(
                "a forward or backward pass changes a parameter, a buffer, a mode, any other state within the "
                "model's reach, a switch of torch or the image itself; or a module is in training mode"
            ),
            source="this harness; libraries' issues on batch norm drift",
            meaning="The model changes while it is measured, so its results depend on their order.",
            remedy="Keep no state in the forward pass, and leave modes to eval().",
        ),
        Check(
            id="C25", title="Logits and gradients are finite", kind="fatal", cost="probe", threshold=0.0,
            rule="a logit or gradient of a clean, noisy or attacked image is NaN or infinite",
            source="this harness",
            meaning="Attacks stop at such a point, although the model may be wrong beyond it.",
            remedy="Find the division, logarithm or root that overflows.",
        ),
        Check(
            id="C26", title="Other losses break no more", kind="strength", cost="run", threshold=0.01,
            modes=(FULL,),
            rule=(
                "targeted PGD and PGD on the margin together lower accuracy by over 1 point at the paired 95 % bound"
            ),
            source=f"{_CARLINI}; 1 point is ours",
            meaning="The cross-entropy leads to the wrong neighbouring class.",
            remedy="Add pgd_t, pgd_margin or apgd_t to the attacks.",
        ),
        Check(
            id="C27", title="CLEVER's fits can be believed", kind="inform", cost="stored", modes=(FULL,),
            rule="over 5 % of fits fell back, over half the scores are censored, or any gradients are 0",
            source="Weng et al. 2018 and their code; shares are ours",
            meaning="The score is not the intended estimate.",
            remedy="Take more samples or another radius; zero gradients: see C3.",
        ),
        Check(
            id="C28", title="CLEVER stays below what attacks found", kind="inform", cost="stored",
            threshold=0.0, modes=(FULL,),
            rule="a score exceeds the smallest verified perturbation of that image",
            source="Weng et al. 2018 (the score estimates a lower bound)",
            meaning="On these images the estimate is no lower bound.",
            remedy="Quote the attack, not the score.",
        ),
        Check(
            id="C29", title="The declared symmetry holds", kind="inform", cost="probe", threshold=1e-4,
            rule="logits change by more than 1e-4 of the largest when an image is moved by the declared group",
            source="needed to credit a result to equivariance; 1e-4 is ours",
            meaning="The network does not have the symmetry it declares.",
            remedy="Look for strides on even sizes, pooling on odd ones, and padding that is not symmetric.",
        ),
        Check(
            id="C30", title="Loading does not change the model", kind="fatal", cost="probe", threshold=1e-6,
            rule=(
                "eval-mode logits change by more than 1e-6 of the largest after train() and eval(), by more than "
                "1e-3 in the deployed copy, or a second backward pass raises"
            ),
            source="e2cnn and escnn cache filters in eval mode; this harness",
            meaning="The measured model does not have the loaded weights.",
            remedy="Build, load in training mode, freeze, then eval().",
        ),
        Check(
            id="C31", title="Images in [0, 1] are what the model expects", kind="inform", cost="probe",
            threshold=0.05,
            rule="clean accuracy rises by more than 5 points if images are first normalised in a common way",
            source="ours",
            meaning="The model probably expects normalised images, so neither accuracy nor ε mean what they say.",
            remedy="Put the normalisation into the model, as its first layer.",
        ),
        Check(
            id="C32", title="A step along the gradient has the predicted effect", kind="inform", cost="probe",
            threshold=0.25,
            rule=(
                "on over a quarter of the images, no step of 1, 4 or 16 /255 along the gradient's sign changes "
                "the margin by 1/3 to 3 times the predicted change"
            ),
            source="ours; finite differences show shattered gradients (Athalye et al. 2018)",
            meaning="The gradient is not that of the model: wrong, random, shattered or rescaled.",
            remedy="Replace the backward pass by the true one, or attack without gradients.",
        ),
        Check(
            id="C33", title="All white-box attacks together break no more", kind="strength", cost="run",
            threshold=0.01, modes=(FULL,),
            rule=(
                "FGSM, APGD and PGD with more steps, restarts, other step sizes and losses, each image's worst, "
                "lower accuracy by over 1 point at the paired 95 % bound"
            ),
            source=f"{_CARLINI} (per-example worst case); 1 point is ours",
            meaning="PGD as the evaluation runs it leaves images that stronger attacks break.",
            remedy="Report --attacks strong or autoattack, and quote the worst of all attacks.",
        ),
    )
}  # fmt: skip
