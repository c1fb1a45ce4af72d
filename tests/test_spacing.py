"""Spaces between tokens by script: as ever in English, none where the script has none."""

from __future__ import annotations

import pytest

from harness.prompting.tagging import entity_ids, id_tags, tagged_text
from harness.spacing import Spacing, text_of
from tests.documents import document

# Tokens apart by spaces, sentences by lines.
TEXTS = {
    "English as it always was": ("Lund ( Sweden ) is old .\nIt “ waits ” .", "Lund ( Sweden ) is old . It “ waits ” ."),
    "Chinese": ("北京 大学 在 北京 ， 成立 于 1898 年 。\n它 很 老 。", "北京大学在北京，成立于1898年。它很老。"),
    "Chinese with Latin words": ("他 买 了 Apple Watch 和 iPhone 15 。", "他买了 Apple Watch 和 iPhone 15。"),
    "Chinese quotation marks": ("他 说 ： “ 你好 ” （ Hello ） 。", "他说：“你好”（Hello）。"),
    "traditional Chinese": ("「 臺灣 」 是 島 、 國 。", "「臺灣」是島、國。"),
    "Japanese": ("東京 タワー は ( 日本 ) に ある 。", "東京タワーは(日本)にある。"),
    "Thai, with a space between sentences": ("กรุงเทพ เป็น เมืองหลวง\nมี คน มาก", "กรุงเทพเป็นเมืองหลวง มีคนมาก"),
    "Thai at numbers and Latin words": ("ปี 2008 ใน Bangkok", "ปี 2008 ใน Bangkok"),
    "Lao": ("ວຽງຈັນ ແມ່ນ ເມືອງຫຼວງ", "ວຽງຈັນແມ່ນເມືອງຫຼວງ"),
    "Khmer": ("ភ្នំពេញ ជា រាជធានី", "ភ្នំពេញជារាជធានី"),
    "Burmese": ("ရန်ကုန် သည် မြို့ ကြီး", "ရန်ကုန်သည်မြို့ကြီး"),
    "Tibetan": ("ལྷ་ས་ ནི་ གྲོང་ཁྱེར་", "ལྷ་ས་ནི་གྲོང་ཁྱེར་"),
    "Korean has spaces": ("서울 은 수도 이다 .", "서울 은 수도 이다 ."),
    "Arabic has spaces": ("بغداد عاصمة العراق .", "بغداد عاصمة العراق ."),
    "a Thai name in English keeps its space": (
        "The choreographer Panna Rittikrai ( Thai : ชูพงษ์ ช่างปรุง ) was born in the province of Khon Kaen in 1961 .",
        "The choreographer Panna Rittikrai ( Thai : ชูพงษ์ ช่างปรุง ) was born in the province of Khon Kaen in 1961 .",
    ),
}


@pytest.mark.parametrize(("tokens", "text"), TEXTS.values(), ids=TEXTS.keys())
def test_tokens_are_joined_as_their_script_is_written(tokens: str, text: str) -> None:
    assert text_of([line.split(" ") for line in tokens.split("\n")]) == text


def test_a_token_of_white_space_or_of_nothing_has_spaces_in_english() -> None:
    assert text_of([["a", "", "b", "\xa0", "c"]]) == "a  b \xa0 c"
    assert text_of([["北京", " ", "大学"]]) == "北京 大学"
    assert text_of([[], ["a"], []]) == "a"


def test_tags_stand_where_spaces_would_not() -> None:
    chinese = document("北京 大学 在 中国 。\n它 很 老 。", [[(0, 0, 2, "ORG"), (1, 0, 1, "ORG")], [(0, 3, 4, "LOC")]])
    text = tagged_text(chinese, id_tags(entity_ids(chinese)))
    assert text == "<E1>北京大学</E1>在<E2>中国</E2>。<E1>它</E1>很老。"


def test_part_of_a_text_is_joined_as_the_whole_is() -> None:
    english = Spacing.of([["Names", "that", "are", "Thai", ",", "such", "as"], ["ชูพงษ์", "ช่างปรุง"], ["spaced"] * 9])
    assert english.join(["ชูพงษ์", "ช่างปรุง"]) == "ชูพงษ์ ช่างปรุง"
    assert Spacing.of([["ชูพงษ์", "ช่างปรุง"]]).join(["ชูพงษ์", "ช่างปรุง"]) == "ชูพงษ์ช่างปรุง"
