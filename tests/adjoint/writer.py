"""Writes random programs in the language of `numgrad.njit`.

A program is text: helper functions and `main`. Indices stay inside their arrays, names are assigned
before they are read, and loops end; values are kept small by functions with bounded results, and
what still grows too large is for the caller to reject.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Shape = tuple[int, ...]

UNARY = (
    "math.sin({})", "math.cos({})", "np.sin({})", "math.tanh({})", "np.tanh({})", "math.atan({})",
    "math.exp(-abs({}))", "np.exp(-({}) ** 2)", "math.sqrt(1.0 + ({}) ** 2)", "abs({})", "-({})",
    "math.log(1.5 + abs({}))", "np.log1p(abs({}))", "math.fabs({})", "math.erf({})",
    "np.arctan({})", "({}) ** 2", "({}) ** 3", "(abs({}) + 0.5) ** 1.5", "({}) % 1.7",
    "math.cosh(math.sin({}))", "np.sqrt(0.3 + abs({}))", "float({})", "round({}) * 0.25",
    "math.floor({}) * 0.5", "np.square({})",
)  # fmt: skip
BINARY = (
    "{} + {}", "{} - {}", "{} * {}", "{} * {}", "({} + {}) * 0.5", "({}) / (1.5 + ({}) ** 2)",
    "max({}, {})", "min({}, {})", "math.atan2({}, 2.0 + math.sin({}))",
    "math.hypot({}, 1.0 + abs({}))",
    "(abs({}) + 0.5) ** math.sin({})", "np.maximum({}, {})", "np.minimum({}, {})",
    "divmod({}, 1.5 + abs({}))[1]",
)  # fmt: skip
ARRAY_UNARY = ("np.sin({})", "np.tanh({})", "np.exp(-{} ** 2)", "-{}", "{} ** 2", "np.abs({})",
               "0.5 * {}", "np.sqrt({} ** 2 + 0.7)")  # fmt: skip
ARRAY_BINARY = ("{} + {}", "{} - {}", "{} * {}", "{} / ({} ** 2 + 1.5)", "np.maximum({}, {})")
SQUASH = ("math.sin({})", "math.tanh({})", "0.5 * ({})", "math.cos({})", "math.atan({})")
REDUCTIONS = ("np.sum({})", "({}).sum()", "np.mean({})", "np.max({})", "np.min({})")


@dataclass
class Scope:
    """The names that may be read at a place."""

    floats: list[str] = field(default_factory=list)
    ints: list[str] = field(default_factory=list)
    arrays: dict[str, Shape] = field(default_factory=dict)
    fixed: set[str] = field(default_factory=set)  # ints that a loop counts with

    def copy(self) -> Scope:
        return Scope([*self.floats], [*self.ints], {**self.arrays}, {*self.fixed})


@dataclass(frozen=True)
class Helper:
    """A function that programs may call: what it takes, and what it gives."""

    name: str
    takes: tuple[Any, ...]  # "f", "i", or the shape of an array
    gives: str  # "float", "nothing", "array", "pair"


class Writer:
    """Writes one program; the same seed writes the same text."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - no secret hangs on it
        self.lines: list[str] = []
        self.helpers: list[Helper] = []
        self.scope = Scope()
        self.indent = 1
        self.loops = 0
        self.made = 0
        self.size = self.random.choice((3, 4))
        self.result = "float"

    # Text

    def line(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def pick(self, items: Any) -> Any:
        return self.random.choice(list(items))

    def fresh(self, letter: str) -> str:
        self.made += 1
        return f"{letter}{self.made}"

    def block(self, write: Callable[[], None]) -> None:
        """An indented block; what it assigns is forgotten after it, since it may not run."""
        outer, self.scope = self.scope, self.scope.copy()
        self.indent += 1
        write()
        self.indent -= 1
        self.scope = outer

    # Expressions

    def constant(self) -> str:
        return str(self.random.choice((0.25, 0.5, -0.75, 1.25, 2.0, -1.5, 0.1)))

    def index(self, length: int) -> str:
        names = self.scope.ints
        if names and self.chance(0.6):
            name = self.pick(names)
            shift = self.random.randrange(3)
            return f"({name} + {shift}) % {length}" if shift else f"{name} % {length}"
        return str(self.random.randrange(-length, length))

    def element(self) -> str:
        name = self.pick(self.scope.arrays)
        return f"{name}[{', '.join(self.index(n) for n in self.scope.arrays[name])}]"

    def number(self, depth: int = 2) -> str:
        """A float expression."""
        if depth <= 0 or self.chance(0.15):
            return self.leaf()
        choice = self.random.random()
        if choice < 0.30:
            return self.pick(UNARY).format(self.number(depth - 1))
        if choice < 0.72:
            return self.pick(BINARY).format(self.number(depth - 1), self.number(depth - 1))
        if choice < 0.80:
            return f"({self.number(depth - 1)} if {self.condition()} else {self.number(depth - 1)})"
        if choice < 0.92 and self.scope.arrays:
            return self.reduction(depth - 1)
        called = self.call("float", depth - 1)
        return called or self.leaf()

    def leaf(self) -> str:
        choice = self.random.random()
        if choice < 0.30 and self.scope.arrays:
            return self.element()
        if choice < 0.36 and self.scope.ints:
            return f"{self.pick(self.scope.ints)} * 0.3"
        if choice < 0.48 or not self.scope.floats:
            return self.constant()
        return str(self.pick(self.scope.floats))

    def reduction(self, depth: int) -> str:
        if self.chance(0.3):
            length = self.random.randrange(2, self.size + 1)
            left, right = self.view((length,)), self.view((length,))
            if left and right:
                return f"np.dot({left}, {right})" if self.chance(0.5) else f"{left} @ {right}"
        shape = self.pick(self.scope.arrays.values())
        return str(self.pick(REDUCTIONS).format(self.array(shape, depth)))

    def view(self, shape: Shape) -> str | None:
        """An array or a view of one, with this shape."""
        found = []
        for name, has in self.scope.arrays.items():
            if has == shape:
                found += [name, name]
            if len(shape) == 1:
                wanted, length = shape[0], has[-1]
                if len(has) == 1 and length > wanted:
                    start = self.random.randrange(length - wanted + 1)
                    found.append(f"{name}[{start}:{start + wanted}]")
                if len(has) == 1 and length == wanted:
                    found.append(f"{name}[::-1]")
                if len(has) == 2 and length == wanted:
                    found += [f"{name}[{self.index(has[0])}]", f"{name}[{self.index(has[0])}, :]"]
                if len(has) == 2 and has[0] == wanted:
                    found.append(f"{name}[:, {self.index(has[1])}]")
            elif has == shape[::-1]:
                found.append(f"{name}.T")
        return self.pick(found) if found else None

    def array(self, shape: Shape, depth: int = 1) -> str:
        """An array expression."""
        view = self.view(shape)
        if view is None:
            return f"np.full({shape}, {self.number(0)})"
        if depth <= 0 or self.chance(0.2):
            return view
        choice = self.random.random()
        if choice < 0.35:
            return str(self.pick(ARRAY_UNARY).format(f"({self.array(shape, depth - 1)})"))
        if choice < 0.85:
            left = self.array(shape, depth - 1)
            scalar = self.chance(0.35)
            right = self.number(0) if scalar else self.array(shape, depth - 1)
            return str(self.pick(ARRAY_BINARY).format(f"({left})", f"({right})"))
        if len(shape) == 1:
            for name, has in self.scope.arrays.items():
                if len(has) == 2 and has[0] == shape[0]:
                    vector = self.view((has[1],))
                    if vector:
                        return (
                            f"{name} @ {vector}"
                            if self.chance(0.5)
                            else f"np.dot({name}, {vector})"
                        )
        return view

    def condition(self) -> str:
        choice = self.random.random()
        if choice < 0.55 or not self.scope.ints:
            sign = self.pick("<>")
            return f"{self.number(1)} {sign} {self.number(0)}"
        if choice < 0.75:
            return f"{self.pick(self.scope.ints)} % 2 == {self.random.randrange(2)}"
        if choice < 0.85:
            return f"not {self.number(0)} < {self.number(0)}"
        if choice < 0.90:
            return f"-1.0 < {self.number(0)} < 1.0"
        word = self.pick(("and", "or"))
        return f"{self.pick(self.scope.ints)} > 1 {word} {self.number(0)} > {self.number(0)}"

    def call(self, gives: str, depth: int) -> str | None:
        """A call of a helper that gives what is wanted."""
        fit = [h for h in self.helpers if h.gives == gives]
        if not fit or self.loops > 1:
            return None
        helper = self.pick(fit)
        args = []
        for taken in helper.takes:
            if taken == "f":
                args.append(self.number(depth))
            elif taken == "i":
                args.append(str(self.random.randrange(3)))
            else:
                view = self.view(taken)
                if view is None:
                    return None
                args.append(view)
        return f"{helper.name}({', '.join(args)})"

    # Statements

    def value(self) -> str:
        """A float to assign; in loops it is kept from growing."""
        text = self.number()
        return self.pick(SQUASH).format(text) if self.chance(0.35 + 0.3 * self.loops) else text

    def statement(self) -> None:
        kinds: list[tuple[float, Callable[[], None]]] = [
            (5, self.assign), (3, self.augment), (4, self.store), (2, self.augment_element),
            (2, self.assign_pair), (3, self.whole), (2, self.new_array), (1.2, self.new_view),
            (0.3, self.rebind), (1.5, self.integer), (2, self.call_statement),
        ]  # fmt: skip
        if self.indent < 4:
            kinds += [(2.5, self.branch), (2.5 if self.loops < 2 else 0, self.count),
                      (1.2 if self.loops < 2 else 0, self.repeat)]  # fmt: skip
        if self.loops:
            kinds.append((0.6, self.leave_loop))
        kinds.append((0.25, self.leave))
        weights = [weight for weight, _ in kinds]
        self.random.choices([write for _, write in kinds], weights)[0]()

    def statements(self, low: int, high: int) -> Callable[[], None]:
        def write() -> None:
            for _ in range(self.random.randint(low, high)):
                self.statement()

        return write

    def target(self) -> str:
        """A float name to assign, new or old."""
        if self.scope.floats and self.chance(0.65):
            return str(self.pick(self.scope.floats))
        return self.fresh("s")

    def define(self, name: str) -> None:
        if name not in self.scope.floats:
            self.scope.floats.append(name)

    def assign(self) -> None:
        name = self.target()
        self.line(f"{name} = {self.value()}")
        self.define(name)

    def augment(self) -> None:
        if self.scope.floats:
            sign = self.pick(("+", "-", "*", "/"))
            value = f"(1.5 + abs({self.value()}))" if sign == "/" else self.value()
            self.line(f"{self.pick(self.scope.floats)} {sign}= {value}")

    def store(self) -> None:
        if self.scope.arrays:
            self.line(f"{self.element()} = {self.value()}")

    def augment_element(self) -> None:
        if self.scope.arrays:
            sign = self.pick(("+", "-", "*"))
            self.line(f"{self.element()} {sign}= {self.value()}")

    def assign_pair(self) -> None:
        pair = self.call("pair", 1)
        if pair and self.chance(0.5):
            first, second = self.target(), self.fresh("s")
            self.line(f"{first}, {second} = {pair}")
        elif self.scope.arrays and self.chance(0.4):
            first, second = self.element(), self.element()
            self.line(f"{first}, {second} = {second}, {first} * 0.5")
            return
        else:
            first, second = self.target(), self.target()
            self.line(f"{first}, {second} = {self.value()}, {self.value()}")
        self.define(first)
        self.define(second)

    def whole(self) -> None:
        if not self.scope.arrays:
            return
        name = self.pick(self.scope.arrays)
        shape = self.scope.arrays[name]
        sign = self.pick(("=", "=", "+=", "*=", "-="))
        if self.chance(0.4):
            low = self.random.randrange(shape[0] - 1)
            part = shape[0] - low - 1
            start = self.random.randrange(2)
            target = f"{name}[{low + start}:{low + start + part}]"
            shape = (part, *shape[1:])
        elif len(shape) == 2 and self.chance(0.6):
            row = self.chance(0.5)
            target = (
                f"{name}[{self.index(shape[0])}, :]"
                if row
                else f"{name}[:, {self.index(shape[1])}]"
            )
            shape = (shape[1],) if row else (shape[0],)
        else:
            target = f"{name}[:]"
        value = self.number(0) if self.chance(0.2) else self.array(shape, 2)
        if self.loops and sign != "=":
            value = f"0.5 * np.sin({value})"
        self.line(f"{target} {sign} {value}")

    def new_array(self) -> None:
        name = self.fresh("c")
        shape: Shape = self.pick(((self.size,), (2,), (self.size, self.size), (2, self.size)))
        size = str(shape[0]) if len(shape) == 1 else str(shape)
        text = f"np.empty({size})"
        way = self.random.randrange(5)
        same = [n for n, has in self.scope.arrays.items() if has == shape]
        if way == 0 and same:
            self.line(f"{name} = {self.pick(same)}.copy()")
        elif way == 1 and same:
            self.line(f"{name} = np.zeros_like({self.pick(same)})")
        elif way == 2 and same:
            self.line(f"{name} = {self.array(shape, 1)} * 1.0")
        elif way == 3:
            self.line(f"{name} = {self.pick(('np.zeros', 'np.ones'))}({size})")
        elif way == 4:
            self.line(f"{name} = np.full({size}, {self.number(1)})")
        else:
            self.line(f"{name} = {text}")
            filled = self.array(shape, 1) if same else self.number(1)
            self.line(f"{name}[:] = {filled}")
        self.scope.arrays[name] = shape

    def new_view(self) -> None:
        shape: Shape = self.pick(((self.size,), (self.size - 1,), (2,)))
        view = self.view(shape)
        if view and "[" in view:
            name = self.fresh("w")
            self.line(f"{name} = {view}")
            self.scope.arrays[name] = shape

    def rebind(self) -> None:
        """Another array under an old name."""
        if self.scope.arrays:
            name = self.pick(self.scope.arrays)
            self.line(f"{name} = {self.array(self.scope.arrays[name], 1)}")

    def integer(self) -> None:
        free = [name for name in self.scope.ints if name not in self.scope.fixed]
        if free and self.chance(0.5):
            name = self.pick(free)
            self.line(self.pick((f"{name} += 1", f"{name} = ({name} * 2 + 1) % 5", f"{name} -= 2")))
            return
        name = self.fresh("k")
        some = self.pick(
            (f"int(abs({self.number(1)}) * 3.0) % 4", str(self.random.randrange(4)),
             f"int({self.number(0)})", f"abs({self.index(self.size)})")
        )  # fmt: skip
        self.line(f"{name} = {some}")
        self.scope.ints.append(name)

    def call_statement(self) -> None:
        called = self.call("nothing", 1)
        if called:
            self.line(called)
            return
        called = self.call("array", 1)
        if called:
            name = self.fresh("c")
            self.line(f"{name} = {called}")
            self.scope.arrays[name] = (self.size,)

    def branch(self) -> None:
        self.line(f"if {self.condition()}:")
        self.block(self.nonempty(1, 3))
        for _ in range(self.random.choice((0, 0, 0, 1, 2))):
            self.line(f"elif {self.condition()}:")
            self.block(self.nonempty(1, 2))
        if self.chance(0.5):
            self.line("else:")
            self.block(self.nonempty(1, 3))

    def nonempty(self, low: int, high: int) -> Callable[[], None]:
        write = self.statements(low, high)

        def block() -> None:
            before = len(self.lines)
            write()
            if len(self.lines) == before:
                self.line("pass")

        return block

    def bounds(self) -> str:
        """The arguments of a range with few steps, or none."""
        low, high = self.random.randrange(3), self.random.randrange(5)
        fits = [f"{high}", f"{low}, {high}", f"{high}, {low}, -1", f"{high + 1}, 0, -2", "2, 2",
                f"0, {high}, 2", "n", "n, -1, -1", f"{low}, n + 1"]  # fmt: skip
        free = [name for name in self.scope.ints if name not in self.scope.fixed]
        if free:
            name = self.pick(free)
            fits += [f"{name} % 4", f"0, {name} % 5, 2", f"{name} % 3, 0, -1"]
        known = [text for text in fits if "n" not in text.split(", ") or "n" in self.scope.ints]
        known = [text for text in known if "n + 1" not in text or "n" in self.scope.ints]
        return str(self.pick(known))

    def count(self) -> None:
        name = self.fresh("i")
        self.line(f"for {name} in range({self.bounds()}):")

        def body() -> None:
            self.loops += 1
            self.scope.ints.append(name)
            self.scope.fixed.add(name)
            self.nonempty(1, 4)()
            self.loops -= 1

        self.block(body)

    def repeat(self) -> None:
        counter = self.fresh("t")
        most = self.random.randrange(2, 6)
        if self.chance(0.5):
            self.line(f"{counter} = 0")
            self.line(f"while {counter} < {most} and {self.number(1)} < {self.number(0)}:")
            step = f"{counter} += 1"
            self.scope.ints.append(counter)
            self.scope.fixed.add(counter)
        else:
            self.line(f"{counter} = {self.number(1)}")
            self.line(f"while {counter} < 2.5:")
            step = f"{counter} += 0.8 + 0.1 * math.sin({self.number(0)})"
            if self.chance(0.3):
                step = f"{counter} = {counter} + 0.9"

        def body() -> None:
            self.loops += 1
            self.line(step)
            self.nonempty(1, 4)()
            self.loops -= 1

        self.block(body)
        if not step.endswith("+= 1"):
            self.scope.floats.append(counter)

    def leave_loop(self) -> None:
        self.line(f"if {self.condition()}:")
        self.block(self.nonempty(0, 1))
        self.indent += 1
        if self.lines[-1] == f"{'    ' * self.indent}pass":
            self.lines.pop()
        self.line(self.pick(("break", "continue")))
        self.indent -= 1

    def leave(self) -> None:
        self.line(f"if {self.condition()}:")
        self.indent += 1
        self.give()
        self.indent -= 1

    def give(self) -> None:
        """A return statement that fits the function."""
        if self.result == "nothing":
            self.line("return")
        elif self.result == "pair":
            self.line(f"return {self.number()}, {self.number()}")
        elif self.result == "array":
            self.line(f"return {self.array((self.size,), 1)} * 1.0")
        elif self.result == "mixed":
            self.line(f"return {self.number()}, {self.array((self.size,), 1)} * 1.0")
        else:
            terms = [self.number(3)]
            if self.chance(0.7):
                terms += [f"({self.leaf()}) * {self.pick(self.scope.floats or ['1.0'])}"]
                terms += [f"np.sum({self.pick(self.scope.arrays)})"] if self.scope.arrays else []
            self.line(f"return {' + '.join(terms)}")

    # Functions

    def function(self, name: str, takes: tuple[Any, ...], gives: str, low: int, high: int) -> None:
        self.scope, self.indent, self.loops, self.result = Scope(), 1, 0, gives
        letters = {"f": iter("xyzuv"), "i": iter("nm"), "a": iter("abcd")}
        names = [next(letters["a" if isinstance(t, tuple) else t]) for t in takes]
        for parameter, taken in zip(names, takes, strict=True):
            if taken == "f":
                self.scope.floats.append(parameter)
            elif taken == "i":
                self.scope.ints.append(parameter)
                self.scope.fixed.add(parameter)
            else:
                self.scope.arrays[parameter] = taken
        self.lines += ["", "", "@njit", f"def {name}({', '.join(names)}):"]
        if gives == "recursive":
            self.result = "float"
            self.line("if n <= 0:")
            self.indent += 1
            self.give()
            self.indent -= 1
            self.statements(low, high)()
            again = f"{name}({self.value()}, n - 1)"
            if any(isinstance(t, tuple) for t in takes):
                again = f"{name}({self.value()}, n - 1, a)"
            self.scope.floats.append("r")
            self.line(f"r = {again}")
            self.statements(0, 2)()
        else:
            self.statements(low, high)()
        if gives == "nothing":
            if self.lines[-1].endswith(":"):
                self.line("return")
        else:
            self.give()

    def program(self) -> str:
        """The text of the program, without imports."""
        vector = (self.size,)
        shapes = (vector, (self.size, self.size), (self.size - 1,))
        kinds = {
            "float": (("f", "f"), (vector, "f"), ("f", "i")),
            "nothing": ((vector, vector), (vector, vector, "f")),
            "array": ((vector, "f"),),
            "pair": (("f", "f"), (vector, "f")),
            "recursive": (("f", "i"), ("f", "i", vector)),
        }
        for number in range(self.random.choice((0, 0, 1, 1, 2))):
            gives = self.pick(kinds)
            takes = self.pick(kinds[gives])
            name = f"h{number}"
            self.function(name, takes, gives, 1, 4)
            self.helpers.append(Helper(name, takes, "float" if gives == "recursive" else gives))
        takes = ["f", "f", vector, "i"]
        takes += [self.pick(shapes) for _ in range(self.random.randrange(3))]
        gives = self.random.choices(("float", "pair", "array", "mixed"), (7, 1, 1, 1))[0]
        self.takes = tuple(takes)
        self.function("main", self.takes, gives, 3, 9)
        return "\n".join(self.lines).strip() + "\n"

    def arguments(self) -> list[Any]:
        """Values for the parameters of `main`: floats, ints, and lists for arrays."""

        def values(shape: Shape) -> Any:
            if not shape:
                return round(self.random.uniform(-1.5, 1.5), 6)
            return [values(shape[1:]) for _ in range(shape[0])]

        return [
            values(()) if t == "f" else self.random.randrange(4) if t == "i" else values(t)
            for t in self.takes
        ]
