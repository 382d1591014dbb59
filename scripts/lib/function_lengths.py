"""How long the functions of a source are: C, C++, Python and shell. Lines count from the one with the
name to the one that closes the body."""

import ast
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Function:
    name: str
    line: int
    lines: int


def of_source(path, text):
    if path.endswith((".cpp", ".h", ".c", ".cpp.in")):
        return _of_c(text)
    if path.endswith(".py"):
        return _of_python(text)
    if path.endswith(".sh") or re.match(r"#!.*\b(ba|)sh\b", text):
        return _of_shell(text)
    return []


def _of_python(text):
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [Function(node.name, node.lineno, node.end_lineno - node.lineno + 1)
            for node in ast.walk(ast.parse(text)) if isinstance(node, kinds)]


def _of_shell(text):
    functions, begun = [], None
    for number, line in enumerate(text.splitlines(), 1):
        if opening := re.match(r"([\w-]+)\(\) [{(]$", line):
            begun = (opening[1], number)
        elif begun and line in ("}", ")"):
            functions.append(Function(*begun, number - begun[1] + 1))
            begun = None
    return functions


# --- C and C++ ------------------------------------------------------------------------------------

_NOT_CODE = re.compile(r"""
    //[^\n]* | /\*.*?\*/                               # comments
  | R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)"       # raw strings
  | "(?:\\.|[^"\\\n])*" | (?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'
  | ^[ ]*\#(?:\\\n|[^\n])*                             # the preprocessor's lines
  | ^[ ]*(?:public|protected|private):$
""", re.VERBOSE | re.DOTALL | re.MULTILINE)


def without_text(source):
    """The source without comments, what is in strings, preprocessor lines and access specifiers;
    line numbers stay what they are."""
    def replace(match):
        lines = "\n" * match[0].count("\n")
        return '""' + lines if match[0][0] in "\"'R" else " " + lines
    return _NOT_CODE.sub(replace, source)


# What a block of functions begins with, and blocks that only look like a function's.
_SCOPE = re.compile(r"(^|\s)(namespace|class|struct|union|enum)\b|\bextern \"\"$")
_NAME = re.compile(r"([~\w:]+|operator\s*\S+)\s*\(")


def _of_c(text):
    code = without_text(text)
    functions, scopes, head, head_at = [], [], "", 0
    for match in re.finditer(r"[{};]|[^{};]+", code):
        token = match[0]
        if token == "{":
            scopes.append(_scope_of(head, scopes, code, head_at))
            head = head if scopes[-1] == "initialiser" else ""
        elif token == "}":
            scope = scopes.pop() if scopes else "other"
            if isinstance(scope, tuple):
                name, line = scope
                functions.append(Function(name, line, _line_at(code, match.start()) - line + 1))
            head = head if scope == "initialiser" else ""
        elif token == ";":
            head = ""
        else:
            if not head.strip():
                head_at = match.start() + len(token) - len(token.lstrip())
            head += token
    return functions


def _scope_of(head, scopes, code, head_at):
    """What the block that begins is: "scope" has functions in it; a function is its name and line."""
    if scopes and scopes[-1] != "scope":
        return "other"
    words = re.sub(r'\bSEC\(""\)', "", head).strip()
    name = _NAME.search(words)
    if not name or _is_type(words, name):
        return "scope" if _SCOPE.search(words) else "other"
    # A member that a constructor initialises with braces.
    if re.search(r"\)\s*(noexcept\s*)?:[^:]", words) and re.search(r"[\w>]$", words):
        return "initialiser"
    return name[1], _line_at(code, head_at)


def _is_type(words, name):
    return bool(_SCOPE.search(words[:name.start()])) and not re.search(r"\)[\s\w>&*:-]*$", words)


def _line_at(code, position):
    return code.count("\n", 0, position) + 1
