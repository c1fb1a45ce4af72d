"""Grammars of answers: each declared once and rendered in every form that a runner supports."""

from harness.grammar.entities import EntityGrammar
from harness.grammar.lists import ListGrammar
from harness.grammar.options import OptionGrammar
from harness.grammar.pairs import PairGrammar
from harness.grammar.relations import GrammarLevel
from harness.grammar.triplets import TripletGrammar

__all__ = ["EntityGrammar", "GrammarLevel", "ListGrammar", "OptionGrammar", "PairGrammar", "TripletGrammar"]
