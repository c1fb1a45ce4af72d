"""Grammars of answers: each declared once and rendered in every form that a runner supports."""

from harness.grammar.triplets import GrammarLevel, TripletGrammar

__all__ = ["GrammarLevel", "TripletGrammar"]
