"""What an answer to a question with options says: the option, and how probable each one is to the model."""

from __future__ import annotations

from dataclasses import dataclass

from harness.answers.option import Option, OptionReading
from harness.answers.option_probabilities import OptionProbabilities
from harness.methods.candidates import Pair
from harness.types import Prediction, Triplet

NO_OPTION = -1
"""Stands for an option that is not there: no other is equal to it."""


@dataclass(frozen=True, slots=True)
class AskedOptions:
    """A question about one pair: what each option means, and how an answer may name it.

    ``relations`` are relation ids; None is the option that no relation holds, which is left out where one is known to.
    """

    pair: Pair
    relations: tuple[str | None, ...]
    options: tuple[Option, ...]

    @property
    def none(self) -> int:
        """The place of None; ``NO_OPTION`` where it is left out."""
        return self.relations.index(None) if None in self.relations else NO_OPTION

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(option.label for option in self.options)


@dataclass(frozen=True, slots=True)
class OptionAnswer:
    """A question and what was read of its answer."""

    asked: AskedOptions
    reading: OptionReading

    @property
    def written(self) -> int | None:
        """The option that the answer's text names, None if none can be found."""
        return self.reading.option

    @property
    def probabilities(self) -> OptionProbabilities | None:
        return self.reading.probabilities

    @property
    def is_uncertain(self) -> bool:
        """Whether probabilities were read, but leave open which option is the most probable."""
        known, none = self.probabilities, self.asked.none
        return known is not None and not known.is_certain(known.best(none), none)

    @property
    def chosen(self) -> int | None:
        """The most probable option where what was read makes it certain, else the one that was written.

        None of the relations wins a tie.
        """
        if self.probabilities is None or self.is_uncertain:
            return self.written
        return self.probabilities.best(tie=self.asked.none)

    def predictions(self, *, several: bool) -> list[Prediction]:
        """The relation chosen; with ``several``, every relation that is more probable than none of them.

        A score is the option's probability among the options, None where it could not be read.
        """
        asked, known = self.asked, self.probabilities
        none = asked.none
        holding = {self.chosen} - {None, none}
        if several and known is not None and none != NO_OPTION:
            holding |= {option for option in range(len(asked.options)) if known.exceeds(option, none)}
        scores = known.probabilities if known is not None else None
        head, tail = asked.pair
        return [
            Prediction(Triplet(head, relation, tail), score=scores[option] if scores else None)
            for option, relation in enumerate(asked.relations)
            if option in holding and relation is not None
        ]

    def as_json(self) -> dict[str, object]:
        """The answer for the document's record: enough to fuse, calibrate and look for a bias of position."""
        known = self.probabilities
        return {
            "pair": list(self.asked.pair),
            "options": list(self.asked.relations),
            "written": self.written,
            "chosen": self.chosen,
            "probabilities": None if known is None else list(known.probabilities),
            "option_mass": None if known is None else known.option_mass,
            "missing_mass": None if known is None else known.missing_mass,
            "unread": None if known is None else list(known.unread),
        }
