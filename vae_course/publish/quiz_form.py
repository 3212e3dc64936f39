"""Quizzes as HTML forms, for the site, where no kernel can answer; docs/site.js grades them."""

from html import escape

from vae_course.exercises.quizzes import QUIZZES, Question


def quiz_form(number: int) -> str:
    """Return a form for each question of a quiz, as HTML."""
    questions = enumerate(QUIZZES[number], start=1)
    return "\n".join(_form(f"quiz-{number}-{place}", place, each) for place, each in questions)


def _form(name: str, place: int, question: Question) -> str:
    right = question.right()
    lines = [f'<form class="quiz"><fieldset><legend>Question {place}. {escape(question.ask)}']
    lines.append("</legend>")
    for option, (text, feedback) in enumerate(question.options):
        verdict = "Right" if option == right else "Not quite"
        lines.append(
            f'<label><input type="radio" name="{name}" required value="{verdict}" '
            f'data-feedback="{escape(feedback)}"> {escape(text)}</label>'
        )
    lines.append(f'<button type="submit">Check question {place}</button>')
    lines.append('<output aria-live="polite"></output></fieldset></form>')
    return "\n".join(lines)
