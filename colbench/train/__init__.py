"""Fine-tuning encoders and cross-encoders on a collection, with sentence-transformers' trainers.

Data flows one way here too: sources → examples → what may not be trained on is removed → negatives
are mined → a teacher scores them → the trainer, which is evaluated on a part held out. A new kind
of source is a function in `sources.py`; a new loss one in `losses.py`.
"""
