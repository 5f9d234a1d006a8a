"""How the studio looks: ink on paper, system fonts, nothing from another host."""

from __future__ import annotations

from collections.abc import Iterable

import gradio as gr

from savg.studio.shared.web import styles, text

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

INK, PAPER = "#1d222b", "#f6f5f1"
NIGHT, MOON = "#14171c", "#e9ebef"


def theme() -> gr.themes.Base:
    """The gradio theme, for light and dark."""
    base = gr.themes.Base(
        primary_hue=gr.themes.colors.slate,
        neutral_hue=gr.themes.colors.slate,
        radius_size=gr.themes.sizes.radius_lg,
        font=[_font(name) for name in SANS],
        font_mono=[_font(name) for name in MONO],
    )
    return base.set(
        body_background_fill=PAPER,
        body_background_fill_dark=NIGHT,
        body_text_color=INK,
        body_text_color_dark=MOON,
        body_text_color_subdued="#5a6270",
        body_text_color_subdued_dark="#a2aab8",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1c2027",
        background_fill_secondary="#efeee9",
        background_fill_secondary_dark="#20252d",
        block_background_fill="#ffffff",
        block_background_fill_dark="#1c2027",
        border_color_primary="#dcdad3",
        border_color_primary_dark="#333a45",
        block_border_width="0px",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_title_text_color=INK,
        block_title_text_color_dark=MOON,
        block_title_text_weight="600",
        block_info_text_color="#5a6270",
        block_info_text_color_dark="#a2aab8",
        input_background_fill="#ffffff",
        input_background_fill_dark="#14171c",
        input_border_color="#cfcdc5",
        input_border_color_dark="#3b4350",
        input_border_width="1px",
        input_shadow="none",
        button_primary_background_fill=INK,
        button_primary_background_fill_dark=MOON,
        button_primary_background_fill_hover="#38404f",
        button_primary_background_fill_hover_dark="#ffffff",
        button_primary_text_color="#ffffff",
        button_primary_text_color_dark=INK,
        button_primary_border_color=INK,
        button_primary_border_color_dark=MOON,
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_dark="#262c35",
        button_secondary_background_fill_hover="#efeee9",
        button_secondary_background_fill_hover_dark="#313845",
        button_secondary_text_color=INK,
        button_secondary_text_color_dark=MOON,
        button_secondary_border_color="#cfcdc5",
        button_secondary_border_color_dark="#3b4350",
        button_border_width="1px",
        slider_color=INK,
        slider_color_dark=MOON,
        color_accent=INK,
        checkbox_background_color_selected_dark="#3b4350",
        checkbox_border_color_dark="#a2aab8",
        checkbox_border_color_selected_dark="#a2aab8",
    )


def css(tabs: Iterable[str]) -> str:
    """All style sheets: the shared ones, then those beside each tab, named as modules."""
    folders = ("shared/player/player", "shared/shelf/shelf", "shared/progress/progress")
    shared = [f"{name}.css" for name in (*folders, "shared/start/start", "shared/steer/steer")]
    own = [style for tab in tabs for style in styles(tab.rpartition(".")[0])]
    return "\n".join([text("shared/studio.css", *shared), *own])


def _font(name: str) -> gr.themes.Font:
    return gr.themes.Font(name)
