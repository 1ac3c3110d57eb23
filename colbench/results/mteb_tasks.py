# ruff: noqa: E501, a row is a line
"""Test collections that are tasks of MTEB too: their names there, and what tells that they are.

Taken from MTEB 2.26.24: name, revision of the data, split, whether a document with the query's own
id is dropped (`ignore_identical_ids`), and how many documents and queries there are. All are in
English, and their main score is nDCG@10.
"""

from __future__ import annotations

from typing import NamedTuple

MTEB_VERSION = "2.26.24"
"""The version of MTEB whose tasks these are."""


class MtebTask(NamedTuple):
    """A task of MTEB.

    Attributes:
        name: of the task.
        revision: of its data on the hub.
        split: that is evaluated.
        docs: documents.
        queries: queries with a relevant document.
        drops_identical_ids: whether a document with the query's own id is left out.
    """

    name: str
    revision: str
    split: str
    docs: int
    queries: int
    drops_identical_ids: bool


def _rows(split: str, table: str) -> dict[str, MtebTask]:
    rows = (line.split() for line in table.strip().splitlines())
    return {
        source: MtebTask(name, revision, split, int(docs), int(queries), rule == "drops")
        for source, name, revision, docs, queries, rule in rows
    }


TASKS: dict[str, MtebTask] = {
    **_rows(
        "test",
        """
beir/arguana ArguAna c22ab2a51041ffd869aaddef7af8d8215647e41a 8674 1406 drops
beir/climate-fever ClimateFEVER 47f2ac6acb640fc46020b02a5b59fdda04d39380 5416593 1535 keeps
beir/dbpedia-entity/test DBPedia c0f706b76e590d620bd6618b3ca8efdd34e2d659 4635922 400 keeps
beir/fever/test FEVER bea83ef9e8fb933d90a2f1d5515737465d613e12 5416568 6666 drops
beir/fiqa/test FiQA2018 27a168819829fe9bcd655c2df245fb19452e8e06 57638 648 drops
beir/hotpotqa/test HotpotQA ab518f4d6fcca38d87c25209f94beba119d02014 5233329 7405 keeps
beir/nfcorpus/test NFCorpus ec0fa4fe99da2ff19ca1214b7966684033a58814 3633 323 keeps
beir/nq NQ b774495ed302d8c44a3a7ea25c90dbce03968f31 2681468 3452 keeps
beir/quora/test QuoraRetrieval e4e08e0b7dbe3c8700f0daef558ff32256715259 522931 10000 drops
beir/scidocs SCIDOCS f8c2fcf00f625baaa80f62ec5bd9e1fff3b8ae88 25657 1000 keeps
beir/scifact/test SciFact d56462d0e63a25450459c4f213e49ffdb866f7f9 5183 300 keeps
beir/trec-covid TRECCOVID bb9466bac8153a0349341eb1b22e06409e78ef4e 171332 50 keeps
beir/webis-touche2020/v2 Touche2020 a34f9a33db75fa0cbb21bb5cfc3dae8dc8bec93f 382545 49 keeps
msmarco-passage/trec-dl-2019/judged TRECDL2019 cbb055c2528c544edf84db8ec6aef1885ec8cfda 8841823 43 drops
msmarco-passage/trec-dl-2020/judged TRECDL2020 83d7d3532f3fa653f132da188bbaa852d959d6f9 8841823 54 drops
beir/cqadupstack/android CQADupstackAndroidRetrieval 9be4c0e46342e8e3aff577a89b9a1ec9bc6b4af3 22998 699 keeps
beir/cqadupstack/english CQADupstackEnglishRetrieval ad9991cb51e31e31e430383c75ffb2885547b5f0 40221 1570 keeps
beir/cqadupstack/gaming CQADupstackGamingRetrieval 4885aa143210c98657558c04aaf3dc47cfb54340 45301 1595 keeps
beir/cqadupstack/gis CQADupstackGisRetrieval 5003b3064772da1887988e05400cf3806fe491f2 37637 885 keeps
beir/cqadupstack/mathematica CQADupstackMathematicaRetrieval 90fceea13679c63fe563ded68f3b6f06e50061de 16705 804 keeps
beir/cqadupstack/physics CQADupstackPhysicsRetrieval 79531abbd1fb92d06c6d6315a0cbbbf5bb247ea4 38316 1039 keeps
beir/cqadupstack/programmers CQADupstackProgrammersRetrieval 6184bc1440d2dbc7612be22b50686b8826d22b32 32176 876 keeps
beir/cqadupstack/stats CQADupstackStatsRetrieval 65ac3a16b8e91f9cee4c9828cc7c335575432a2a 42269 652 keeps
beir/cqadupstack/tex CQADupstackTexRetrieval 46989137a86843e03a6195de44b09deda022eec7 68184 2906 keeps
beir/cqadupstack/unix CQADupstackUnixRetrieval 6c6430d3a6d36f8d2a829195bc5dc94d7e063e53 47382 1072 keeps
beir/cqadupstack/webmasters CQADupstackWebmastersRetrieval 160c094312a0e1facb97e55eeddb698c0abe3571 17405 506 keeps
beir/cqadupstack/wordpress CQADupstackWordpressRetrieval 4ffe81d471b1924886b33c7567bfb200e9eec5c4 48605 541 keeps
""",
    ),
    **_rows(
        "dev",
        """
beir/msmarco/dev MSMARCO c5a29a104738b98a9e76336939199e264163d4a0 8841823 6980 drops
msmarco-passage/dev/small MSMARCO c5a29a104738b98a9e76336939199e264163d4a0 8841823 6980 drops
""",
    ),
    **_rows(
        "train",
        """
nano-beir/arguana NanoArguAnaRetrieval 63ac9f026e8f6b85dc0622f3d630ed7a1758e9ec 3635 50 keeps
nano-beir/climate-fever NanoClimateFeverRetrieval ccb5552bc17e87afe0f9479fb4346898213a71db 3408 50 keeps
nano-beir/dbpedia-entity NanoDBPediaRetrieval 2d088f80d7a640eac0be5c66408d68c3f782baa1 6045 50 keeps
nano-beir/fever NanoFEVERRetrieval a6490dfeed0f13c2a052e39c6ddaeb6086afd4a8 4996 50 keeps
nano-beir/fiqa NanoFiQA2018Retrieval ede84da4793cd2d4e61bba0dd08fc58de90f3681 4598 50 keeps
nano-beir/hotpotqa NanoHotpotQARetrieval a38a2615f29adba8b47a42905031aa9c137d8fae 5090 50 keeps
nano-beir/msmarco NanoMSMARCORetrieval 5a5aa0c3df65d6883d85c8f5cdc88e679633595e 5043 50 keeps
nano-beir/nfcorpus NanoNFCorpusRetrieval 2eec9d63140fb9af7c75ad0fdbf6350aaf20e94e 2953 50 keeps
nano-beir/nq NanoNQRetrieval e3973b405feb9e94d07fd971d690d24d7f45264a 5035 50 keeps
nano-beir/quora NanoQuoraRetrieval 3ee153e5710da83a7f35df0cb1db4a0ad036072a 5046 50 keeps
nano-beir/scidocs NanoSCIDOCSRetrieval cf39b8741a6f2e984d0b8f4796b2dd5bb65390f9 2210 50 keeps
nano-beir/scifact NanoSciFactRetrieval 8c5f7bbe90bb865f46c67710221afa7d9096251b 2919 50 keeps
nano-beir/webis-touche2020 NanoTouche2020Retrieval ff81c0caff8b6febe1495eae9f2ca3eddad074b8 5745 49 keeps
""",
    ),
}
"""Id of ir_datasets → the task that is the same test collection."""
