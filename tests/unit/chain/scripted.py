"""A node that answers from a script, at the Transport port."""

from collections.abc import Callable, Mapping
from typing import Any

Answer = Any | Exception | Callable[[Any], Any]


class Scripted:
    """`answers` by method: a value, an exception to raise, a list of these one after the other, or a function
    of the params. `asked` holds (method, params)."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.answers = dict(answers)
        self.asked: list[tuple[str, Any]] = []

    async def call(self, method: str, params: object, *, timeout: float = 5.0) -> Any:
        self.asked.append((method, params))
        answer = self.answers[method]
        if isinstance(answer, list):
            answer = answer.pop(0)
        if callable(answer):
            answer = answer(params)
        if isinstance(answer, Exception):
            raise answer
        return answer
