"""A collection and a checkpoint small enough to train in a second."""

import json

TOPICS = ["wing", "flow", "shock", "heat", "plate", "cone", "body", "jet"]
COLOURS = ["red", "blue", "green", "grey"]
FILLER = ["the", "of", "a", "near", "under", "with"]


def write_collection(folder):
    """Write a BEIR folder: a query names topic and colour in words that documents do not use."""
    documents, queries, qrels = [], [], {"train": [], "test": []}
    for t, topic in enumerate(TOPICS):
        for c, colour in enumerate(COLOURS):
            number = t * len(COLOURS) + c
            text = f"{topic} {FILLER[c]} {colour} {FILLER[t % 6]} {topic}"
            documents.append({"_id": f"d{number}", "title": f"{topic} {number}", "text": text})
            queries.append({"_id": f"q{number}", "text": f"what {topic} is {colour} {number}"})
            split = "test" if number % 8 == 3 else "train"
            qrels[split].append(f"q{number}\td{number}\t1")
    (folder / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", documents), ("queries", queries)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(lines)
    for split, rows in qrels.items():
        header = "query-id\tcorpus-id\tscore\n"
        (folder / "qrels" / f"{split}.tsv").write_text(header + "\n".join(rows) + "\n")
    return folder


def write_backbone(folder, labels=None):
    """Save a random BERT of 16 dimensions; with labels, a cross-encoder."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "what", "is", *TOPICS, *COLOURS, *FILLER]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join([*words, *map(str, range(40))]) + "\n")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words) + 40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        **({} if labels is None else {"num_labels": labels}),
    )
    model = BertModel(config) if labels is None else BertForSequenceClassification(config)
    model.save_pretrained(folder)
    return folder
