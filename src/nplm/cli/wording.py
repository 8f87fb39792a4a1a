"""What the library says of arguments, said of the options of a command.

Messages name arguments between backticks (see `nplm.errors`). A command's parameters have the names
of the arguments that they are given to, or their options have.
"""

import re
from collections.abc import Sequence
from typing import Any

from nplm.errors import ARGUMENT


def speak_of_options(message: str, command: Any, words: Sequence[str] = ()) -> str:
    """`message` with the arguments that a Typer command has options for as these options.

    `count` becomes -n, `force=True` --force, `device="cpu"` --device cpu. What stands between
    backticks in `words`, the command line, is the user's own and stays.
    """
    options = option_names(command)

    def option(argument: re.Match[str]) -> str:
        name, value = argument.groups()
        if name not in options or any(argument[0] in word for word in words):
            return argument[0]
        typed = "" if value in (None, "True") else " " + re.sub(r"[()\"' ]", "", value)
        return options[name] + typed

    return ARGUMENT.sub(option, message)


def option_names(command: Any) -> dict[str, str]:
    """How to type each argument of a command: an option, or the name of what stands by itself."""
    names = {}
    for parameter in command.params:
        if parameter.param_type_name == "option":
            option = parameter.opts[0]
            names[option.lstrip("-").replace("-", "_")] = names[parameter.name] = option
        else:
            names |= {word.lower(): word for word in re.findall(r"\w+", parameter.metavar or "")}
    return names


def command_of(parser: Any, words: list[str]) -> Any:
    """The command of a tree of commands that `words` call."""
    for word in words:
        parser = getattr(parser, "commands", {}).get(word, parser)
    return parser
