"""The official metrics of DocRED and Re-DocRED, AutoRE's surface metric, and the submission format."""
