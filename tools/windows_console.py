"""Look at the console of a program under wine, or do to the program what Windows does when that console is closed.

    python tools/windows.py python tools/windows_console.py dist/chat_server.exe read    # prints what is on it
    python tools/windows.py python tools/windows_console.py dist/chat_server.exe close

When a console is closed, Windows has each process at it call its handlers, in a new thread that begins at
`CtrlRoutine`, and ends the process when that thread is over, or after five seconds. wine 8 calls nobody: the program
ends with the window, unheard. But it has the `CtrlRoutine`, and what handlers are made of: so this does here what
Windows does there. The youngest process comes first, which of a one-file program is the one that works.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

if sys.platform != "win32":
    raise SystemExit("This is for a Windows Python: see tools/windows.py.")

CTRL_CLOSE_EVENT = 2
PATIENCE_MS = 5_000
"""How long a program may take to leave when its console is closed (HandlerRoutine's documentation)."""
MAX_PROCESSES = 1024
MAX_PATH = 32_768
MAX_CELLS = 8192
"""How much of a console is read, from its first line on."""
PROCESS_ALL_ACCESS = 0x1FFFFF
GENERIC_READ_WRITE = 0xC0000000
SHARED = 3
OPEN_EXISTING = 3

kernel = ctypes.WinDLL("kernel32")
for function in (kernel.OpenProcess, kernel.CreateRemoteThread, kernel.CreateFileW, kernel.GetModuleHandleW):
    function.restype = ctypes.c_void_p
kernel.GetProcAddress.restype = ctypes.c_void_p


def processes_of(file: Path) -> list[ctypes.c_void_p]:
    """Return handles of the processes of an executable, the youngest first."""
    numbers, size = (ctypes.c_uint * MAX_PROCESSES)(), ctypes.c_uint()
    kernel.K32EnumProcesses(numbers, ctypes.sizeof(numbers), ctypes.byref(size))
    found = []
    for number in numbers[: size.value // ctypes.sizeof(ctypes.c_uint)]:
        process = ctypes.c_void_p(kernel.OpenProcess(PROCESS_ALL_ACCESS, 0, number))
        name, length = ctypes.create_unicode_buffer(MAX_PATH), ctypes.c_uint(MAX_PATH)
        kernel.QueryFullProcessImageNameW(process, 0, name, ctypes.byref(length))
        if name.value and Path(name.value) == file:
            times = (ctypes.c_ulonglong * 4)()  # the first of them is when it began
            kernel.GetProcessTimes(process, *(ctypes.byref(times, 8 * index) for index in range(4)))
            found.append((times[0], process))
    return [process for _, process in sorted(found, key=lambda pair: pair[0], reverse=True)]


def close(file: Path) -> None:
    """End a program as the X of its console does. Raises OSError."""
    module = ctypes.c_void_p(kernel.GetModuleHandleW("kernelbase"))
    routine = ctypes.c_void_p(kernel.GetProcAddress(module, b"CtrlRoutine"))
    for process in processes_of(file):
        event = ctypes.c_void_p(CTRL_CLOSE_EVENT)
        thread = ctypes.c_void_p(kernel.CreateRemoteThread(process, None, 0, routine, event, 0, None))
        if not thread:
            raise ctypes.WinError()
        kernel.WaitForSingleObject(thread, PATIENCE_MS)
        kernel.TerminateProcess(process, 0)


def read(file: Path) -> None:
    """Print what is on a program's console; nothing where it has none yet. It should not ask who else is there now."""
    kernel.FreeConsole()
    if not any(kernel.AttachConsole(kernel.GetProcessId(process)) for process in processes_of(file)):
        return
    screen = kernel.CreateFileW("CONOUT$", GENERIC_READ_WRITE, SHARED, None, OPEN_EXISTING, 0, None)
    letters, count = ctypes.create_unicode_buffer(MAX_CELLS + 1), ctypes.c_uint()
    kernel.ReadConsoleOutputCharacterW(ctypes.c_void_p(screen), letters, MAX_CELLS, 0, ctypes.byref(count))
    kernel.FreeConsole()
    sys.stdout.buffer.write(letters.value.encode())


{"close": close, "read": read}[sys.argv[2]](Path(sys.argv[1]).resolve())
