"""Answer forms: what a model may answer, how a perfect answer is written, and how an answer is read; a file each."""
