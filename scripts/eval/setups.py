"""The set-ups that are measured: which set, which phrasings are known, what must miss. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from eval.splits import SetUp

SET_UPS = (
    SetUp("banking77-5", "banking77", 5, known_splits=("train",)),
    SetUp("banking77-20", "banking77", 20, known_splits=("train",)),
    SetUp("clinc150-5", "clinc150", 5, known_splits=("train", "val")),
    SetUp("clinc150-20", "clinc150", 20, known_splits=("train", "val")),
    SetUp("stackfaq-5", "stackfaq", 5, held_out_share=0.2),
    SetUp("qqp_a", "qqp_a", 1, single_share=0.25, single_query_share=0.375),
    SetUp("text2sql_a", "text2sql_a", 1),
    SetUp("spider_syn", "spider_syn", 1),
    SetUp("nl2bash", "nl2bash", 1),
    SetUp("conala", "conala", 1, held_out_share=0.2),
    SetUp("nlu_corpora", "nlu_corpora", 1),
)


@dataclass(frozen=True, slots=True)
class TwinSetUp:
    """A set of labelled pairs; at most so many of each label, all where it is 0."""

    name: str
    folder: str
    max_pairs: int = 0


TWIN_SET_UPS = (
    TwinSetUp("svamp-twins", "svamp"),
    TwinSetUp("cannot_negation-twins", "cannot_negation", 1500),
    TwinSetUp("paws_wiki_200-twins", "paws_wiki_200"),
    TwinSetUp("text2sql_a-twins", "text2sql_a"),
    TwinSetUp("spider_syn-twins", "spider_syn"),
    TwinSetUp("nl2bash-twins", "nl2bash"),
)
