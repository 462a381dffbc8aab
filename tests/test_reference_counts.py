"""Everything dies by its reference count: no program leaves a cycle to Python's collector."""

from __future__ import annotations

import collections
import contextlib
import copy
import gc
import io
import pickle
import weakref

import numpy as np
import pytest

import numgrad as ng
from numgrad.autograd import Function, forward_ad, functional, graph
from numgrad.autograd.function import once_differentiable
from numgrad.samples import ROWS
from numgrad.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential
from tests.rows import floating, leaves, seeds_for


def cycles(program) -> collections.Counter[str]:
    """Run a program, and count by type the objects that it leaves and that only cycles hold."""
    program()  # what is loaded and made once for the process
    gc.collect()
    gc.disable()
    try:
        program()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        return collections.Counter(type(o).__qualname__ for o in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def leaf(*values):
    return ng.tensor(values or (0.5, 2.0), requires_grad=True)


def cubes(x):
    return (x**3).sum()


def rows(x):
    return ng.stack([x.sin(), x * x, x.exp().cumsum(dim=0)])


class Squared(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.note = "a note"
        return x * x

    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0] * g


class OfSeveral(Function):
    """In the other form, with results that are saved, a jvp, and a rule for vmap."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x, y):
        return x * y, x.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs, output[1])
        ctx.save_for_forward(*inputs, output[1])

    @staticmethod
    def backward(ctx, g, h):
        x, y, e = ctx.saved_tensors
        return g * y + h * e, g * x

    @staticmethod
    def jvp(ctx, s, t):
        x, y, e = ctx.saved_tensors
        return s * y + t * x, s * e


class Once(Squared):
    @staticmethod
    @once_differentiable
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0] * g


class Written(Function):
    @staticmethod
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        return x

    @staticmethod
    def backward(ctx, g):
        return 2 * g


@ng.elementwise
def softened(x, width):
    return ng.sqrt(x * x + width * width)


@ng.njit
def energy(x):
    total = 0.0
    for k in range(len(x)):
        if x[k] > 0.0:
            total += x[k] ** 3
    return total


# Code is derived and compiled once, in which Numba leaves cycles.
GRADIENT, HESSIAN = ng.grad(energy), ng.hessian(energy)


def backward():
    x = leaf()
    y = x.exp() * x
    (y.sin() @ y).backward()
    (y.detach() * x).sum().backward(inputs=[x])


def through_results_of_several():
    x = ng.tensor([[2.0, 1.0], [1.0, 3.0]], requires_grad=True)
    values, vectors = ng.linalg.eigh(x)
    q, _ = ng.linalg.qr(x)
    (values.sum() + (vectors * vectors).sum() + x.max(dim=0).values.sum() + q.trace()).backward()


def create_graph():
    x = leaf()
    (first,) = ng.autograd.grad(cubes(x), x, create_graph=True)
    (second,) = ng.autograd.grad(first.sum(), x, create_graph=True)
    (second * first).sum().backward()


def create_graph_into_grad():
    """The gradient holds its history, and that the leaf: until `.grad` is set to None."""
    x = leaf()
    cubes(x).backward(create_graph=True)
    penalty = (x.grad * x.grad).sum()
    x.grad = None
    penalty.backward()


def hooks():
    x = leaf()
    y = x * x
    seen = []
    handles = [
        x.register_hook(lambda g: g * 2),
        y.register_hook(lambda g: seen.append(g.shape)),
        y.grad_fn.register_hook(lambda *_: None),
        y.grad_fn.register_prehook(lambda _: None),
        x.register_post_accumulate_grad_hook(lambda x: seen.append(x.grad.shape)),
        graph.register_multi_grad_hook((x, y), lambda gs: seen.append(len(gs))),
        graph.get_gradient_edge(x).node.register_prehook(lambda _: None),
    ]
    y.retain_grad()
    y.grad_fn.metadata["note"] = y.grad_fn.name()
    y.sum().backward(retain_graph=True)
    (g,) = ng.autograd.grad(cubes(y), x, create_graph=True)
    g.sum().backward()
    for handle in handles[::2]:
        handle.remove()


def custom_functions():
    x, y = leaf(), leaf()
    Squared.apply(Squared.apply(x)).sum().backward()
    (g,) = ng.autograd.grad(Squared.apply(x).sum(), x, create_graph=True)
    g.sum().backward()
    a, b = OfSeveral.apply(x, y)
    (a + b).sum().backward()
    Once.apply(x).sum().backward()
    Written.apply(x * 1).sum().backward()
    with forward_ad.dual_level():
        a, _ = OfSeveral.apply(forward_ad.make_dual(x, ng.ones_like(x)), y)
        forward_ad.unpack_dual(a).tangent.sum().backward()
    ng.vmap(ng.grad(lambda x: OfSeveral.apply(x, x)[0].sum()))(ng.ones(2, 3))


def checkpoints():
    x = leaf()
    y = checkpoint(lambda x: checkpoint(rows, x).sum() * x, x).sum()
    (g,) = ng.autograd.grad(y, x, create_graph=True)
    g.sum().backward()
    checkpoint_sequential([ng.sin, ng.exp, ng.tanh], 2, x).sum().backward()
    checkpoint(rows, x)  # and never asked for


def transforms():
    x = ng.tensor([0.5, 2.0])
    for transform in (ng.grad, ng.value_and_grad, ng.hessian, ng.func.jacrev, ng.func.jacfwd):
        transform(cubes)(x)
        ng.vmap(transform(cubes))(ng.stack([x, x]))
        ng.func.jacrev(transform(cubes))(x) if transform is ng.grad else None
    ng.vjp(rows, x)[1](ng.ones(3, 2))
    ng.jvp(rows, (x,), (x,))
    ng.func.linearize(rows, x)[1](x)
    ng.func.hvp(cubes, (x,), (x,))
    ng.func.vhp(cubes, (x,), (x,))
    ng.grad(lambda tree: cubes(tree["a"]) * tree["b"][0].sum())({"a": x, "b": [x]})
    ng.vmap(lambda x: x.sort().values[0] + x[x.argmax()])(ng.ones(2, 3))


def of_functional():
    x = leaf()
    for strict in (False, True):
        functional.jacobian(rows, x, create_graph=True, strict=strict)
    functional.hessian(cubes, x)
    functional.vjp(rows, x, ng.ones(3, 2))
    functional.jvp(rows, x, x.detach())
    functional.hvp(cubes, x, x.detach())
    ng.autograd.grad(rows(x), x, ng.ones(4, 3, 2), is_grads_batched=True)


def forward_mode():
    x, t = leaf(), ng.ones(2)
    with forward_ad.dual_level():
        y = rows(forward_ad.make_dual(x, t))
        forward_ad.unpack_dual(y).tangent.sum().backward(retain_graph=True)
        y.sum().backward()
        with forward_ad.dual_level():
            z = forward_ad.make_dual(forward_ad.make_dual(x, t, level=None), t)
            z = z * 1.0
            z[0] = z[1] + 1.0
            forward_ad.unpack_dual(cubes(z))
    cubes(y)


def saved_values():
    for packing in (
        graph.saved_tensors_hooks(lambda t: t.tolist(), ng.tensor),
        graph.save_on_disk(min_bytes=0),
        graph.save_compressed(min_bytes=0),
        graph.allow_mutation_on_saved_tensors(),
    ):
        x = leaf()
        with packing:
            y = x * 1.0
            z = rows(y).sum() + (y * y).sum()
        if isinstance(packing, graph.allow_mutation_on_saved_tensors):
            with ng.no_grad():
                y.zero_()
        _ = y.grad_fn.next_functions, z.grad_fn
        (g,) = ng.autograd.grad(z, x, create_graph=True)
        g.sum().backward()


def views_and_writes():
    x = leaf(1.0, 2.0, 3.0)
    y = x * 1.0
    y[1:].mul_(y[0].clone())
    y[y > 2] = 0.0
    view = y.view(3, 1)[::2]
    y.add_(x)
    view += 1.0
    (y.sum() + view.sum()).backward()
    plain = ng.zeros(2)
    plain[0] = x[0]
    plain.exp_().sum().backward()
    x.detach().copy_(ng.ones(3))
    first, second = (x * 2)[:2].unbind()
    (first * second).backward()


def numpy_protocol():
    x = leaf()
    y = np.add.reduce(np.sin(x) * np.ones(2)) + np.linalg.norm(np.stack([x, x]))
    y.backward()
    with contextlib.suppress(TypeError):
        np.fft.fft(x)


def debugging():
    x = leaf()
    with ng.autograd.set_detect_anomaly(True):
        y = rows(x).sum()
        (g,) = ng.autograd.grad(y, x, create_graph=True)
        g.sum().backward()
        z = (x - x.detach()) * 1.0
        with contextlib.suppress(RuntimeError), pytest.warns(UserWarning, match="Error detected"):
            (z.sqrt() - z.sqrt()).sum().backward()
    with ng.profile() as profile:
        rows(x).sum().backward()
    str(profile)
    drawn = ng.graph(rows(x).sum())
    str(drawn)
    repr(rows(x))


def errors():
    x = leaf()
    y = (x * x).sum()
    y.backward()
    z = x * 1.0
    w = z * z
    with ng.no_grad():
        z.add_(1.0)

    def fails(_):
        raise RuntimeError

    hooked = x * x
    hooked.register_hook(fails)
    for call in (
        y.backward,
        w.sum().backward,
        hooked.sum().backward,
        rows(x).backward,
        lambda: x + ng.ones(3),
        lambda: x.add_(1.0),
        lambda: checkpoint(fails, x),
        lambda: ng.grad(rows)(x),
        lambda: ng.vmap(lambda x: x.item())(x),
        lambda: ng.linalg.inv(ng.zeros(2, 2)),
        lambda: ng.autograd.gradcheck(lambda x: x.detach() * x, x),
    ):
        with contextlib.suppress(RuntimeError, ValueError):
            call()
    count = 1

    def another_number(x):
        nonlocal count
        count += 1
        for _ in range(count):
            x = x.exp()
        return x.sum()

    with contextlib.suppress(CheckpointError):
        checkpoint(another_number, x * 0.1).backward()


def own_ops():
    x = leaf()
    (g,) = ng.autograd.grad(softened(x, 0.5).sum(), x, create_graph=True)
    g.sum().backward()
    ng.hessian(lambda x: softened(x, x).sum())(x.detach())


def compiled_functions():
    x = leaf()
    (energy(x) * x.sum()).backward()
    (g,) = ng.autograd.grad(energy(x), x, create_graph=True)
    g.sum().backward()
    a = np.array([0.5, 2.0])
    GRADIENT(a)
    HESSIAN(a)
    ng.vmap(energy)(np.stack([a, a]))
    with forward_ad.dual_level():
        energy(forward_ad.make_dual(x.detach(), ng.ones(2)))


def optimizers():
    for make in (ng.optim.SGD, ng.optim.Adam, ng.optim.AdamW, ng.optim.RMSprop, ng.optim.Adagrad):
        x = ng.nn.Parameter(ng.ones(3))
        optimizer = make([x], lr=0.1)
        for _ in range(2):
            optimizer.zero_grad()
            cubes(x).backward()
            ng.nn.utils.clip_grad_norm_([x], 1.0)
            optimizer.step()
        make([x], lr=0.1).load_state_dict(copy.deepcopy(optimizer.state_dict()))
    x = ng.nn.Parameter(ng.ones(3))
    lbfgs = ng.optim.LBFGS([x], line_search_fn="strong_wolfe")

    def closure():
        lbfgs.zero_grad()
        loss = cubes(x * x)
        loss.backward()
        return loss

    lbfgs.step(closure)


def copies():
    x = leaf()
    x.grad = ng.ones(2)
    copy.copy(x)
    copy.deepcopy([x, x.detach()[1:]])
    pickle.loads(pickle.dumps([x, x]))  # noqa: S301 - its own bytes
    file = io.BytesIO()
    ng.save({"x": x}, file)
    file.seek(0)
    ng.load(file)
    np.from_dlpack(ng.from_dlpack(x.detach()))


PROGRAMS = [
    *(backward, through_results_of_several, create_graph, create_graph_into_grad, hooks),
    *(custom_functions, checkpoints, transforms, of_functional, forward_mode, saved_values),
    *(views_and_writes, numpy_protocol, debugging, errors, own_ops, compiled_functions),
    *(optimizers, copies),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_programs_leave_no_cycles(program) -> None:
    assert cycles(program) == {}


def test_a_cycle_would_be_seen() -> None:
    def program():
        x = leaf()
        x.itself = x

    assert cycles(program)["Tensor"] == 1


# --- every function -------------------------------------------------------------------------------


def reverse(row):
    """Gradients, and gradients of these."""
    positions = row.differentiable()
    tensors = leaves(row.arrays(), positions)
    results = floating(row(*tensors))
    inputs = [tensors[k] for k in positions]
    seeds = [ng.tensor(s, requires_grad=True) for s in seeds_for(row, results)]
    options = {"allow_unused": True, "create_graph": True}
    first = ng.autograd.grad(results, inputs, seeds, **options)
    sums = [g.sum() for g in first if getattr(g, "requires_grad", False)]
    if sums:
        ng.autograd.grad(sums, [*inputs, *seeds], **options)


def forward(row):
    """Tangents, and gradients through these."""
    positions = row.differentiable()
    tensors = leaves(row.arrays(), positions)
    with forward_ad.dual_level():
        duals = list(tensors)
        for k in positions:
            duals[k] = forward_ad.make_dual(tensors[k], ng.ones_like(tensors[k]))
        tangents = [forward_ad.unpack_dual(r).tangent for r in floating(row(*duals))]
        sums = [t.sum() for t in tangents if t is not None and t.requires_grad]
        if sums:
            ng.autograd.grad(sums, [tensors[k] for k in positions], allow_unused=True)


def mapped(row):
    """Gradients of a batch; some functions refuse one."""
    positions = row.differentiable()

    def squares(*xs):
        return sum((r * r).sum() for r in floating(row(*xs)))

    batch = [ng.tensor(np.stack([a, a])) for a in row.arrays()]
    with contextlib.suppress(RuntimeError, ValueError):
        ng.vmap(ng.grad(squares, tuple(positions)))(*batch)


@pytest.mark.parametrize("mode", [reverse, forward, mapped], ids=lambda mode: mode.__name__)
def test_functions_leave_no_cycles(mode) -> None:
    """All rows at once: to look for cycles takes longer than to differentiate."""

    def program():
        for row in ROWS:
            mode(row)

    assert cycles(program) == {}


# --- while a walk is under way --------------------------------------------------------------------


def alive_on_the_way(make, **options):
    """How many of the arrays that a chain saved are there still, seen from each of its tensors."""
    x = leaf(0.5)
    saved, seen = [], []
    y = x
    for _ in range(6):
        y = make(y)
        saved.append(weakref.ref(y.array))
        y.register_hook(lambda _: seen.append(sum(r() is not None for r in saved)))
    gc.disable()
    try:
        y = y.sum()
        y.backward(**options)
    finally:
        gc.enable()
    return seen


@pytest.mark.parametrize("make", [ng.exp, ng.tanh, lambda x: ng.softmax(x, dim=0), Squared.apply])
def test_the_graph_is_freed_as_backward_walks(make) -> None:
    first, *_, last = seen = alive_on_the_way(make)
    assert seen == sorted(seen, reverse=True)
    assert first >= 5
    assert last <= 1


def test_a_graph_that_is_kept_is_not() -> None:
    assert alive_on_the_way(ng.exp, retain_graph=True) == [6] * 6
    assert alive_on_the_way(ng.exp, create_graph=True) == [6] * 6
