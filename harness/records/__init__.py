"""The files of a run as typed, frozen records: what each holds, field by field, checked when it is read."""
