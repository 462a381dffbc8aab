"""From object code to addresses, through LLVM's linker in memory."""

from __future__ import annotations

import functools
import os
import threading
from typing import Any

from numgrad.kernels import cpu

# Held while kernels are compiled and loaded.
lock = threading.RLock()


def fork_between_kernels() -> None:
    """Have forks wait for `lock`, so that no child gets half a kernel and a lock for ever.

    What registers last is asked first. To be called again, it is harmless, before the first use of
    another lock while this one is held: else a fork could take that one and then wait for this.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release
        )


fork_between_kernels()


def fork_between(other: Any) -> None:
    """Have forks wait for a lock, too, which may be taken while `lock` is held."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=other.acquire, after_in_parent=other.release, after_in_child=other.release
        )
        fork_between_kernels()


def addresses(code: bytes, *symbols: str) -> list[int]:
    """Load object code for the life of the process, and return the addresses of symbols in it.

    To be called with `lock` held.
    """
    binding, engine = _binding(), _engine()
    engine.add_object_file(binding.object_file.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return [int(engine.get_function_address(symbol)) for symbol in symbols]


def target_machine() -> Any:
    """Return a new llvmlite TargetMachine for the level that kernels are compiled for."""
    binding = _binding()
    name, features = cpu.target(cpu.level())
    return binding.Target.from_triple(binding.get_process_triple()).create_target_machine(
        cpu=name,
        features=features,
        opt=3,
        # What the linker expects: absolute addresses on x86, elsewhere the platform's habit.
        reloc="static" if cpu.is_x86_64() else "default",
        codemodel="jitdefault",
        jit=True,
    )


@functools.cache
def _engine() -> Any:
    binding = _binding()
    return binding.create_mcjit_compiler(binding.parse_assembly(""), target_machine())


@functools.cache
def _binding() -> Any:
    """Import LLVM at the first kernel, some 25 ms, and start no more of it than this machine's."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding
