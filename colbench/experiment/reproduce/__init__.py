"""Published figures measured again.

* `plan`: which figures can be measured here, and in which runs;
* `run`: those runs, one a dataset and encoder;
* `matching`: which measured system stands beside a figure;
* `differences`: the settings in which they differ;
* `judge`: reproduced, differs or not run; averages are refused while a member is missing.
"""
