"""Runs a Python server for as long as somebody holds its standard input open.

  attended.py MODULE-OR-FILE ARGUMENT...

A test process that dies, however it dies, closes the pipe; so no server outlives its tests.
"""
import os
import runpy
import sys
import threading


def leave_with_the_test():
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


threading.Thread(target=leave_with_the_test, daemon=True).start()
sys.argv = sys.argv[1:]
if sys.argv[0].endswith(".py"):
    runpy.run_path(sys.argv[0], run_name="__main__")
else:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
