"""The shop's products. Prices are in whole pounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Look:
    """How a product's portrait is lit and coloured; ``light`` names a pattern of the drawing macro."""

    light: str
    wall: str
    cloth: str
    skin: str
    hair: str


@dataclass(frozen=True, slots=True)
class Product:
    """A product of the shop."""

    slug: str
    name: str
    line: str
    price: int
    about: tuple[str, ...]
    does: tuple[str, ...]
    look: Look


_ALL = (
    Product(
        "portrait-studio",
        "Portrait Studio 6",
        "Retouching that leaves the person in the picture.",
        79,
        (
            "Portrait Studio works the way a good retoucher does: light first, then colour, and skin last and least. "
            "Every stroke stays a layer of its own, so you can take one back in March that you painted in May.",
            "Pores stay pores. The skin brush evens out tone and never touches texture, and a small gauge tells you "
            "when you have gone too far.",
        ),
        (
            "Dodge and burn on separate, editable layers",
            "Tone brush that leaves texture alone",
            "Before and after in one key",
            "Opens raw files of more than 400 cameras",
        ),
        Look("rembrandt", "#8a8fb8", "#2f3566", "#d9a88a", "#2b1e1b"),
    ),
    Product(
        "contact-sheet",
        "Contact Sheet 3",
        "From nine hundred frames to the nine.",
        39,
        (
            "A session ends with too many pictures. Contact Sheet lays them out large, groups the near-twins and "
            "lets you decide with two keys: stay, go.",
            "It never picks for you. It shows where the eyes are closed and where the focus slipped, and then it "
            "gets out of the way.",
        ),
        (
            "Groups frames shot within a breath of each other",
            "Focus and blink marks, never automatic rejects",
            "Two-key culling at 60 frames a second",
            "Writes ratings beside the file, so any program reads them",
        ),
        Look("butterfly", "#7fb8a8", "#1f5b50", "#c68f6f", "#4a2c17"),
    ),
    Product(
        "true-tone",
        "True Tone",
        "Skin of every colour, the colour it is.",
        49,
        (
            "Most colour tools were tuned on one kind of face. True Tone was built from measurements of four "
            "hundred people, and corrects towards the sitter instead of towards an average.",
            "Photograph a grey card once. True Tone keeps the light of that room for the rest of the session.",
        ),
        (
            "Profiles for ten skin-tone families, from measurement",
            "One grey card for a whole session",
            "Works as a plug-in or on its own",
        ),
        Look("loop", "#d9a23f", "#7c3f1d", "#7a4a34", "#191312"),
    ),
    Product(
        "second-lamp",
        "Second Lamp",
        "The light you did not bring.",
        59,
        (
            "Second Lamp reads the shape of a face from the shadows already in the picture, and lets you add one "
            "soft light, from any side, as far away as you like.",
            "One light, because one is what a portrait usually lacks.",
        ),
        (
            "A single soft source with real fall-off",
            "Catch-lights that follow the lamp",
            "Runs on your machine; pictures stay there",
        ),
        Look("rim", "#23222b", "#3b3a48", "#b57f66", "#0e0d12"),
    ),
    Product(
        "print-room",
        "Print Room",
        "Paper, before you spend it.",
        49,
        (
            "Print Room shows your picture on the paper you mean to use, under the lamp it will hang under. "
            "It lays out proofs, contact sheets and mounts to the tenth of a millimetre.",
            "When the proof on screen and the proof in hand differ, Print Room learns from a scan of the second.",
        ),
        (
            "Soft proofs for 260 papers",
            "Viewing light from candle to north window",
            "Mounts, margins and bleed in real measures",
        ),
        Look("split", "#c9747a", "#6d2a36", "#e4bfa2", "#9a5b2c"),
    ),
    Product(
        "whole-studio",
        "The Whole Studio",
        "All five, and every update for two years.",
        189,
        (
            "Everything the shop makes in one licence: Portrait Studio, Contact Sheet, True Tone, Second Lamp and "
            "Print Room. They share one library, so nothing is imported twice.",
            "For one person on three machines.",
        ),
        ("Five programs, one licence", "Updates for two years", "Three machines"),
        Look("window", "#9fae8a", "#3f5132", "#a86f52", "#31231c"),
    ),
)

PRODUCTS: Mapping[str, Product] = MappingProxyType({product.slug: product for product in _ALL})
