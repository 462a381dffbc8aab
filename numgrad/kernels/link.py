"""From object code to addresses, through LLVM's linker in memory."""

from __future__ import annotations

import functools
import os
import threading
from typing import TYPE_CHECKING

from numgrad.kernels import cpu

if TYPE_CHECKING:
    from llvmlite import binding

# A fork waits until no thread is inside LLVM, so that the child gets it in one piece.
_lock = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


@functools.cache
def address(symbol: str, code: bytes) -> int:
    """Where the function named `symbol` of the object `code` lies once it is loaded.

    Loaded code stays for the life of the process.
    """
    with _lock:
        engine = _engine()
        engine.add_object_file(_binding().object_file.ObjectFileRef.from_data(code))
        engine.finalize_object()
        return int(engine.get_function_address(symbol))


def target_machine() -> binding.TargetMachine:
    """A new description of the machine that kernels are compiled for."""
    binding = _binding()
    name, features = cpu.target(cpu.level())
    return binding.Target.from_triple(binding.get_process_triple()).create_target_machine(
        cpu=name,
        features=features,
        opt=3,
        # MCJIT on x86 wants static code, elsewhere the platform's default.
        reloc="static" if cpu.is_x86_64() else "default",
        codemodel="jitdefault",
        jit=True,
    )


@functools.cache
def _engine() -> binding.ExecutionEngine:
    binding = _binding()
    return binding.create_mcjit_compiler(binding.parse_assembly(""), target_machine())


@functools.cache
def _binding():
    """LLVM, imported and started at the first kernel."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding
