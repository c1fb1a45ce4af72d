"""Training encoders: documents and options become weights, a curve and scores on documents that were not seen."""
