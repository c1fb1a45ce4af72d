"""What training minimises: adaptive-threshold and focal losses, binary cross-entropy, evidence, a teacher."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from harness.encoders.batching import Batch
from harness.encoders.pair_model import Output
from harness.training.config import TeacherLoss, TrainingConfig


def training_loss(output: Output, batch: Batch, config: TrainingConfig) -> Tensor:
    """What a step minimises: the losses against labels, a teacher and evidence, weighed as ``config`` says."""
    annotated = batch.annotated[batch.document] if batch.annotated.shape[1] else None
    loss = relation_loss(output.logits, batch.labels, config, annotated)
    if batch.taught.shape[1]:
        # As the labels' loss, the sum over pairs where that is focal.
        pairs = int(_is_taught(batch.taught).sum()) if config.loss == "focal" else 1
        taught = pairs * teacher_loss(output.logits, batch.taught, config.teacher_loss)
        loss = (1 - config.teacher_weight) * loss + config.teacher_weight * taught
    if output.sentences is not None:
        loss = loss + config.evidence_weight * evidence_loss(output.sentences, batch.evidence)
        if batch.attended.shape[1]:
            wanted = batch.attended.to(output.sentences.dtype)
            loss = loss + config.teacher_evidence_weight * evidence_loss(output.sentences, wanted)
    return loss


def relation_loss(logits: Tensor, labels: Tensor, config: TrainingConfig, annotated: Tensor | None = None) -> Tensor:
    """The chosen loss: logits [p, relations + 1] with NA last, labels [p, relations].

    It is the mean over pairs, ``focal`` the sum. Where documents of several corpora are joined, ``annotated``
    [p, relations] says whether the corpus of the pair tells of the relation. Of those that it does not tell of, the
    pair teaches nothing: neither that they hold, nor that they do not, nor on which side of them NA is.
    """
    if config.loss == "focal":
        return focal(_above_na(logits), labels, config.focal_alpha, config.focal_gamma, annotated)
    if config.loss == "binary":
        above, wanted = _above_na(logits), labels.to(logits.dtype)
        if annotated is not None:
            above, wanted = above[annotated], wanted[annotated]
        return functional.binary_cross_entropy_with_logits(above, wanted)
    if config.loss == "adaptive_focal":
        return adaptive_focal(logits, labels, config.focal_gamma, annotated)
    return adaptive_threshold(logits, labels, annotated)


def focal(logits: Tensor, labels: Tensor, alpha: float, gamma: float, annotated: Tensor | None = None) -> Tensor:
    """The focal loss of each pair and relation [p, relations], summed (Lin et al., ICCV 2017).

    Relations that hold weigh ``alpha``, others ``1 - alpha``; ``gamma`` turns down what is already right. What is not
    ``annotated`` has no part.
    """
    wanted = labels.to(logits.dtype)
    cross_entropy = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    weight = (1 - alpha) + (2 * alpha - 1) * wanted
    # The probability of being wrong, by the logistic function of the wrong side, keeps its digits near 0.
    wrong = torch.sigmoid(logits * (1 - 2 * wanted))
    each = weight * wrong**gamma * cross_entropy
    return each.sum() if annotated is None else each[annotated].sum()


def adaptive_threshold(logits: Tensor, labels: Tensor, annotated: Tensor | None = None) -> Tensor:
    """Relations that hold are to score above NA, all others below it (ATLOP, Zhou et al., AAAI 2021).

    What is not ``annotated`` has no part in either sum.
    """
    always = labels.new_ones(len(labels), 1)
    above = logits.masked_fill(~torch.cat([labels, always], 1), -torch.inf).log_softmax(1)
    return -(above[:, :-1].masked_fill(~labels, 0.0).sum(1) + _log_na(logits, labels, annotated)).mean()


def adaptive_focal(logits: Tensor, labels: Tensor, gamma: float, annotated: Tensor | None = None) -> Tensor:
    """As ``adaptive_threshold``, but each relation that holds is ranked against NA alone, the hard ones first.

    The adaptive focal loss of KD-DocRE (Tan et al., Findings of ACL 2022): with P(r) = exp(l_r) / (exp(l_r) +
    exp(l_NA)), the sum of -(1 - P(r)) ** gamma * log P(r) over the relations r that hold, and ATLOP's term for all
    others. Their public code has the factor 1 + (1 - P(r)) ** gamma instead, gamma 1 by default.
    """
    margins = _above_na(logits)
    # By the logarithm, since the gradient of a power is not finite at a probability of 0.
    weight = (gamma * functional.logsigmoid(-margins)).exp()
    above = (weight * functional.logsigmoid(margins)).masked_fill(~labels, 0.0)
    return -(above.sum(1) + _log_na(logits, labels, annotated)).mean()


def _log_na(logits: Tensor, labels: Tensor, annotated: Tensor | None) -> Tensor:
    """The logarithm of NA's probability among NA and the relations that do not hold and are ``annotated``, [p]."""
    left_out = functional.pad(labels if annotated is None else labels | ~annotated, (0, 1))
    return logits.masked_fill(left_out, -torch.inf).log_softmax(1)[:, -1]


def evidence_loss(attention: Tensor, evidence: Tensor) -> Tensor:
    """The divergence of a pair's attention over sentences from its evidence, over the pairs that have some.

    Both are [p, sentences] (Ma et al., EACL 2023); 0 where no pair of the batch has evidence. In self-training a
    teacher's attention takes the place of the evidence, over sentences where the paper has it over tokens: so teachers
    of another tokenizer, and ensembles, can teach.
    """
    marked = evidence.sum(1) > 0
    divergence = functional.kl_div((attention + 1e-6).log(), evidence, reduction="none").sum(1)
    return (divergence * marked).sum() / marked.sum().clamp(min=1)


def teacher_loss(logits: Tensor, taught: Tensor, kind: TeacherLoss = "binary") -> Tensor:
    """How far the student is from its teacher: ``logits`` [p, relations + 1] with NA last, ``taught`` [p, relations].

    ``taught`` is how far the teacher scores each relation above NA. ``binary``: cross-entropy to its probabilities,
    the logistic function of that (Hinton et al., 2015, https://arxiv.org/abs/1503.02531), over the relations of a pair
    summed, over pairs the mean. ``mse``: the mean squared difference over pairs and relations, as in KD-DocRE (Tan et
    al., Findings of ACL 2022), whose code compares the scores themselves rather than their margins over NA. Pairs that
    the teacher does not score (no numbers) are left out.
    """
    known = _is_taught(taught)
    above, taught = _above_na(logits)[known], taught[known]
    if not len(taught):
        return above.sum()
    if kind == "mse":
        return functional.mse_loss(above, taught.to(above.dtype))
    wanted = torch.sigmoid(taught.to(above.dtype))
    return functional.binary_cross_entropy_with_logits(above, wanted, reduction="none").sum(1).mean()


def _is_taught(taught: Tensor) -> Tensor:
    """Whether the teacher scores each pair, [p]."""
    return ~taught.isnan().any(1)


def _above_na(logits: Tensor) -> Tensor:
    return logits[:, :-1] - logits[:, -1:]
