"""Annotation: plain text becomes documents with entities and relations (GLiDRE, section 2.5 and Figure 3)."""
