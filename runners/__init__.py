"""Model backends: one file per way in which a request becomes a completion."""
