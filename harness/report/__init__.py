"""The report: a folder of static pages made from stored runs, which needs no server and no network."""
