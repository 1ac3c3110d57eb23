"""ColBERT in an application: texts and metadata in, ranked passages out.

    Colbert        a model, and the index that it made or opened
    Result         a document that was found, with the passage that scored
    Passage        a part of a document that the model reads whole
    Document       a document as it was given
    Several        indexes that are searched as one
    Version        a commit that is kept

>>> from colbench.application import Colbert
>>> model = Colbert.from_pretrained("embedded:all-MiniLM-L6-v2")
>>> index = model.index(["Paris is in France.", "Cats sleep a lot."], "animals", verbose=False)
>>> index.search("Where do cats sleep?", k=1)[0].text
'Cats sleep a lot.'
"""

from colbench.application.colbert import Colbert
from colbench.application.results import Document, Passage, Result, Version
from colbench.application.several import Several

__all__ = ["Colbert", "Document", "Passage", "Result", "Several", "Version"]
