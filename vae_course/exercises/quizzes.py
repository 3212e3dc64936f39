"""Quizzes of three questions, whose right answers are computed."""

import html
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import torch

from vae_course.exercises import quiz_keys

RIGHT, WRONG = "#009E73", "#D55E00"


@dataclass(frozen=True)
class Question:
    """A question of a quiz.

    Attributes:
        ask: the question.
        options: the text of each option and the feedback to it.
        answer: computes the number of the right option.
    """

    ask: str
    options: tuple[tuple[str, str], ...]
    answer: Callable[[], int]

    def right(self) -> int:
        """Return the number of the right option, whatever the default dtype of the session is."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            with torch.no_grad():
                return self.answer()
        finally:
            torch.set_default_dtype(before)


class Quiz(widgets.VBox):
    """A widget that shows questions as radio buttons, each with a button that gives feedback.

    By keyboard, Tab moves on, and Space selects an option or presses a button. (JupyterLab uses the
    arrow keys itself.) Code can read and set `choices`, and read `feedback`.
    """

    def __init__(self, number: int, questions: tuple[Question, ...]):
        self.number = number
        self.questions = questions
        self.choices: list[widgets.RadioButtons] = []
        self.buttons: list[widgets.Button] = []
        self.feedback: list[widgets.HTML] = []
        super().__init__([self._question(place) for place in range(len(questions))])

    def _question(self, place: int) -> widgets.VBox:
        question = self.questions[place]
        choice = widgets.RadioButtons(
            options=[(text, index) for index, (text, _) in enumerate(question.options)],
            value=None,
            layout={"width": "auto"},
        )
        button = widgets.Button(
            description=f"Check question {place + 1}", layout={"width": "max-content"}
        )
        feedback = widgets.HTML()
        choice.observe(lambda _: self._clear(place), names="value")
        button.on_click(lambda _: self.grade(place))
        self.choices.append(choice)
        self.buttons.append(button)
        self.feedback.append(feedback)
        title = f"<b>Question {place + 1}.</b> {html.escape(question.ask)}"
        heading = widgets.HTML(f'<div style="line-height: 1.5">{title}</div>')
        return widgets.VBox([heading, choice, button, feedback], layout={"margin": "0 0 16px 0"})

    def _clear(self, place: int) -> None:
        self.feedback[place].value = ""

    def grade(self, place: int) -> None:
        """Show whether the option chosen in a question is right, and why."""
        question, chosen = self.questions[place], self.choices[place].value
        if chosen is None:
            self.feedback[place].value = _note("Choose an answer first.", "#888888")
            return
        right = chosen == question.right()
        reason = f"{'Right' if right else 'Not quite'}. {question.options[chosen][1]}"
        self.feedback[place].value = _note(reason, RIGHT if right else WRONG)

    def close(self) -> None:
        """Close every part as well, so that the kernel frees them."""
        below = [part for question in self.children for part in (question, *question.children)]
        for part in (*below, self):
            for style in (part.layout, getattr(part, "style", None)):
                if style is not None:
                    style.close()
        for part in below:
            part.close()
        super().close()

    def __repr__(self) -> str:
        lines = [
            f"Quiz {self.number:02d}. Answering it takes a running kernel; here you can read it."
        ]
        for place, question in enumerate(self.questions):
            lines += ["", f"Question {place + 1}. {question.ask}"]
            lines += [f"  ( ) {text}" for text, _ in question.options]
        return "\n".join(lines)

    def _repr_mimebundle_(self, **options: Any) -> dict:
        return {**super()._repr_mimebundle_(**options), "text/plain": repr(self)}


def _note(text: str, color: str) -> str:
    style = f"border-left: 4px solid {color}; padding: 2px 0 2px 10px; line-height: 1.5"
    return f'<div role="status" style="{style}">{html.escape(text)}</div>'


def _question(entry: dict[str, Any]) -> Question:
    options = tuple((text, feedback) for text, feedback in entry["options"])
    return Question(entry["ask"], options, getattr(quiz_keys, entry["key"]))


_TEXTS = tomllib.loads(Path(__file__).with_name("quizzes.toml").read_text(encoding="utf-8"))
QUIZZES = {int(number): tuple(map(_question, entries)) for number, entries in _TEXTS.items()}
