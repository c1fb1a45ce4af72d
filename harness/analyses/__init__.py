"""What stored runs show: one run under many settings, two runs paired, all runs ranked."""
