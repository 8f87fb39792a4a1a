"""One self-contained page about a run, from what `content` has collected.

All text goes through a template that escapes it. The page makes no request: pictures are inside,
there is no script.
"""

import base64
from functools import partial
from pathlib import Path

import jinja2

from nplm import __version__
from nplm.presets import format_value
from nplm.report.content import Report
from nplm.report.fonts import visible
from nplm.runs.facts import RunFacts
from nplm.runtime.score import Scored
from nplm.text.vocab import BOUNDARY_SHOWN, Vocab, symbols_of

SHOWN_SAMPLES = 60
SURE, LOST = 0.5, 6.0  # nats: below one no colour, above the other full colour


def render(report: Report) -> str:
    """The page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["picture"] = _data_url
    environment.filters["coloured"] = partial(_coloured, vocab=report.facts.card.vocab)
    environment.filters["visible"] = _visible
    return environment.get_template("page.html").render(
        report=report,
        model=report.behaviour,
        card=report.facts.card,
        settings=_settings(report.facts),
        widest=max(report.bars.values(), default=1.0),
        version=__version__,
        shown_samples=SHOWN_SAMPLES,
    )


def _settings(facts: RunFacts) -> dict[str, str]:
    """The settings that matter for this kind of model."""
    config = facts.config
    parts = ([config.model, config.train] if config.mixture.networks else []) + [config.mixture]
    return {key: format_value(value) for part in parts for key, value in vars(part).items()}


def _data_url(svg: bytes) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(svg).decode("ascii")


def _visible(text: str) -> str:
    return "".join(symbol if symbol == " " else visible(symbol) for symbol in text)


def _coloured(scored: Scored, vocab: Vocab) -> list[tuple[str, str, float]]:
    """Each symbol and the end of a string: as shown, its nats, and how dark it is (0 to 1)."""
    symbols = [*map(visible, symbols_of(scored.text, vocab.level)), BOUNDARY_SHOWN]
    blank = vocab.separator
    return [
        (symbol + blank, f"{nats:.2f}", min(1.0, max(0.0, (nats - SURE) / (LOST - SURE))))
        for symbol, nats in zip(symbols, scored.per_symbol, strict=True)
    ]
