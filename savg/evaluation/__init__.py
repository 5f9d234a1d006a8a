"""Evaluation of sets of clips: observe (detectors, features, cache) → rows → report.

`files` lists clips and tables, `observe` runs detectors over them, `score` applies metrics, `report`
writes JSON, Markdown and CSV, `annotate` judges and draws single clips; `result_files` reads and writes
the benchmarks' results that come with the package.
"""
