"""Networks that describe clips by numbers, for metrics that compare sets of clips; see `BACKBONES`."""
