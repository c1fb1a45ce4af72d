"""Prompts in Chinese: the language of the corpus by default, the same answers, and which prompts have no such text."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from harness.datasets.plain import PlainDocument
from harness.datasets.registry import load_dataset
from harness.errors import InputError
from harness.methods import context as contexts
from harness.methods.annotate import Annotate
from harness.methods.candidates import AllPairs, GoldPairs
from harness.methods.settings import MethodSettings
from harness.methods.table import create_method, method_kind
from harness.paths import prompts_dir
from harness.prompting.relations import load_relation_texts, relation_texts_for
from harness.prompting.template import render
from harness.prompting.variant import load_variant, shipped_variants
from harness.runs.config import RunConfig
from harness.runs.plan import prepare
from harness.scoring.official import score
from harness.spacing import text_of
from harness.types import Completion, GrammarForm, Request, Sampling, TokenLogprob
from tests.annotation.gold import entity_answer, relation_answer, scripted
from tests.commands import error_line, harness_here
from tests.prompting.goldens import chinese_sample
from tests.variants import settings_of

CORPORA = Path(__file__).resolve().parents[1] / "datasets" / "corpora"
CHINESE = [variant.name for variant in shipped_variants() if "zh" in variant.languages]


@pytest.fixture
def hacred(tmp_path: Path) -> Path:
    for name in ("dev.json", "rel2id.json"):
        shutil.copy(CORPORA / f"hacred_{name}", tmp_path / name)
    return tmp_path


def said(word: str) -> Completion:
    return Completion(word, "stop", logprobs=(TokenLogprob(word, 0.0, ((word, 0.0),)),))


def test_all_prompts_have_chinese_texts_of_every_step() -> None:
    assert {variant.name for variant in shipped_variants()} == set(CHINESE)
    for variant in shipped_variants():
        steps = {file.name for file in variant.directory.glob("*.jinja")}
        assert steps == {file.name for file in (variant.directory / "zh").glob("*.jinja")}, variant.name


@pytest.mark.parametrize("form", [None, "gbnf", "json_schema"])
@pytest.mark.parametrize("by", ["head", "pair"])
async def test_perfect_answers_to_the_chinese_questions_of_related_find_the_pairs(
    by: str, form: GrammarForm | None, hacred: Path
) -> None:
    dataset = load_dataset("hacred", "dev", hacred)
    document = next(iter(dataset.documents))
    variant = load_variant("related").in_language("zh")
    options = variant.choose({"language": "zh", "by": by})
    settings = MethodSettings(
        *(variant, options, dataset.schema, "closed" if form else "none", form, 100), Sampling(), max_top_logprobs=20
    )
    method = create_method(settings)
    demonstrated = method.demonstrate(document)
    answers = {one.request: one.answer for one in demonstrated}
    assert len(answers) == len(demonstrated)

    async def ask(request: Request) -> Completion:
        return said(answers[request])

    found = [(one.triplet.head, one.triplet.tail) for one in (await method.extract(document, ask)).predictions]
    gold = {(label.triplet.head, label.triplet.tail) for label in document.labels}
    # One token names one tail of a head; yes or no is asked of every pair.
    assert (len(found), set(found) <= gold) == (len({head for head, _ in gold}) if by == "head" else len(gold), True)


@pytest.mark.parametrize("options", [{}, {"schema": "open"}, {"evidence": "sentences"}, {"reasoning": "brief"}])
async def test_the_chinese_questions_of_annotate_find_entities_and_relations(options: dict[str, str]) -> None:
    schema, document = chinese_sample()
    variant = load_variant("annotate").in_language("zh")
    chosen = variant.choose({**options, "language": "zh"})
    level = "format" if options.get("schema") == "open" else "closed"
    settings = MethodSettings(variant, chosen, schema, level, None, 100, Sampling())  # type: ignore[arg-type]
    plain = PlainDocument(document.title, document.sentences, (), text=text_of(document.sentences))
    triplets = relation_answer(document, schema)
    if "evidence" in options:
        triplets = triplets.replace(")", " | 0)")
    if "reasoning" in options:
        triplets = f"Reasoning: 文档说明了这些关系。\nAnswer:\n{triplets}"
    ask, requests = scripted(entity_answer(document), triplets)
    extraction = await Annotate(settings).extract(plain, ask)
    assert extraction.status == "ok"
    assert len(extraction.predictions) == len({label.triplet for label in document.labels})
    if "evidence" in options:
        assert {one.evidence for one in extraction.predictions} == {(0,)}
    for request in requests:
        asked = "".join(message.content for message in request.messages)
        assert not [line for line in asked.splitlines() if line.isascii() and line[0:1].isalpha() and " " in line]


@pytest.mark.parametrize("form", [None, "gbnf", "json_schema"])
@pytest.mark.parametrize("prompt", sorted({*CHINESE} - {"annotate", "related"}))
async def test_perfect_answers_to_chinese_prompts_score_100(
    prompt: str, form: GrammarForm | None, hacred: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = load_dataset("hacred", "dev", hacred)
    document = next(iter(dataset.documents))
    variant = load_variant(prompt).in_language("zh")
    kind = method_kind(variant)
    candidates = GoldPairs() if kind.knows_related else AllPairs()
    method = create_method(
        MethodSettings(
            *(variant, variant.choose({"language": "zh"}), dataset.schema, "closed" if form else "none", form, 100),
            Sampling(),
            max_top_logprobs=20,
            candidates=candidates if kind.takes_candidates else None,
            relation_texts=relation_texts_for(dataset.schema).by_id,
        )
    )
    demonstrated = method.demonstrate(document)
    monkeypatch.setattr(contexts, "render", lambda one, step, context, _kept: render(one, step, context))
    assert demonstrated == method.demonstrate(document)
    answers = {one.request: one.answer for one in demonstrated}
    first = "".join(message.content for message in demonstrated[0].request.messages)
    assert not [line for line in first.splitlines() if line.isascii() and line[0:1].isalpha() and " " in line]

    async def ask(request: Request) -> Completion:
        return said(answers.get(request, "none"))

    extraction = await method.extract(document, ask)
    assert (extraction.status, extraction.rejects) == ("ok", ())
    assert score([document], {document.title: extraction.predictions}).as_dict()["f1"] == 1.0


def test_the_language_of_a_prompt_is_that_of_the_corpus_unless_another_is_given(hacred: Path) -> None:
    def planned(**options: str) -> tuple[dict[str, str], str]:
        config = RunConfig("mock", "tagged", "hacred", data_dir=hacred, prompt_options=options)
        experiment = prepare(config)
        return dict(experiment.config.prompt_options), experiment.settings.variant.sha256

    english = load_variant("tagged").sha256
    chinese, sha256 = planned()
    assert (chinese, planned(language="zh")) == ({"language": "zh"}, ({"language": "zh"}, sha256))
    assert planned(language="en") == ({"language": "en"}, english)
    assert sha256 != english
    assert prepare(RunConfig("mock", "tagged", "sample")).settings.variant.sha256 == english


def test_a_shipped_prompt_without_text_of_a_language_names_those_that_have_one(
    hacred: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All shipped prompts have one: the folder of another installation lacks it for compact.
    prompts = tmp_path / "prompts"
    shutil.copytree(prompts_dir(), prompts)
    shutil.rmtree(prompts / "compact" / "zh")
    monkeypatch.setattr("harness.prompting.variant.prompts_dir", lambda: prompts)
    having = ", ".join(name for name in CHINESE if name != "compact")
    with pytest.raises(InputError) as caught:
        prepare(RunConfig("mock", "compact", "hacred", data_dir=hacred))
    assert str(caught.value) == (
        "hacred is in zh; prompt 'compact' has no text in zh: give -P language=en, or use a prompt that has one: "
        + having
    )
    prepare(RunConfig("mock", "compact", "hacred", data_dir=hacred, prompt_options={"language": "en"}))


def test_a_language_that_no_prompt_has_is_told_and_the_list_has_the_others() -> None:
    assert "cannot be 'fr': choose en or zh" in error_line(
        harness_here("prompts", "show", "tagged", "-P", "language=fr")
    )
    listed = harness_here("prompts").stdout
    assert f"{', '.join(CHINESE)}\n    -P language=[en]|zh" in listed


def test_a_folder_of_ones_own_has_texts_in_other_languages_apart(hacred: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "prompt.toml").write_text('method = "tagged"\nversion = 1\ndescription = "d"\n', encoding="utf-8")
    (folder / "extract.jinja").write_text("{% block user %}{{ text }}{% endblock %}", encoding="utf-8")
    plain = load_variant(str(folder))
    with pytest.raises(InputError, match="prompt 'mine' has no text in zh"):
        plain.in_language("zh")
    # It may be written in Chinese itself.
    config = RunConfig("mock", str(folder), "hacred", data_dir=hacred)
    assert prepare(config).settings.variant == plain
    (folder / "zh").mkdir()
    (folder / "zh" / "extract.jinja").write_text("{% block user %}问：{{ text }}{% endblock %}", encoding="utf-8")
    assert load_variant(str(folder)).sha256 == plain.sha256
    experiment = prepare(config)
    assert experiment.settings.variant.sha256 != plain.sha256
    (asked,) = experiment.method().demonstrate(next(iter(experiment.documents)))
    assert asked.request.messages[-1].content.startswith("问：<E1>李岚</E1>毕业于")


def test_every_relation_of_hacred_has_its_chinese_texts() -> None:
    texts = load_relation_texts("hacred")
    assert len(texts) == 26
    assert all(text.example[1] == relation for relation, text in texts.items())
    labels = [text.label or relation for relation, text in texts.items()]
    # One token may be one character: no two labels begin with the same.
    assert len({label[0] for label in labels}) == 26
    for field in ("description", "statement"):
        assert len({getattr(text, field) for text in texts.values()}) == 26


def test_an_english_embedder_does_not_align_chinese_relations(hacred: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.alignment.embedder_files.LIBRARY", "json")  # No model is loaded.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    config = RunConfig("mock", "tagged", "hacred", data_dir=hacred, constrain="format", align="minilm")
    with pytest.raises(InputError, match=r"the relations are in zh: use minilm-multilingual \(.*, which is not here"):
        prepare(config)
    config = RunConfig("mock", "tagged", "hacred", data_dir=hacred, retrieve_relations=1)
    with pytest.raises(InputError, match="multilingual-MiniLM-L12-v2 is not here and cannot be fetched"):
        prepare(config)
    # A file tells no language, and its relations do: "educated at" and "director" have a cosine of 0.88 there.
    file = hacred / "converted.json"
    harness_here("data", "convert", hacred / "dev.json", file, "--corpus", "hacred")
    config = RunConfig("mock", "tagged", str(file), constrain="format", align="minilm")
    with pytest.raises(InputError, match=r"the relations are in another script: use minilm-multilingual"):
        prepare(config)
    with pytest.raises(InputError, match="multilingual-MiniLM-L12-v2 is not here and cannot be fetched"):
        prepare(RunConfig("mock", "tagged", str(file), retrieve_relations=1, relation_texts="names"))


@pytest.mark.parametrize(
    ("language", "form", "is_held"),
    [
        ("zh", "gbnf", True),
        ("zh", "lark", True),
        ("zh", "json_schema", False),
        ("zh", None, False),
        ("en", "gbnf", False),
    ],
)
def test_one_token_of_another_script_is_held_to_the_labels(
    language: str, form: GrammarForm | None, is_held: bool, hacred: Path
) -> None:
    """A model that writes a part of a character there has no log-probabilities at llama.cpp."""
    dataset = load_dataset("hacred", "dev", hacred)
    plain = settings_of("hrt", dataset.schema, form)
    settings = replace(plain, variant=plain.variant.in_language(language))
    asked = create_method(settings).demonstrate(next(iter(dataset.documents)))
    constraints = {one.request.constraint is not None for one in asked}
    assert constraints == {is_held}
    held = "".join(one.request.constraint.text for one in asked if one.request.constraint)
    assert ("毕业" in held) == is_held
