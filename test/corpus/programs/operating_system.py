"""Asks the operating system what programs ask: ids, host, limits, terminal, users, processors."""
import getpass
import os
import platform
import shutil
import socket
import sys
import time


def attempt(function, *args):
    try:
        return function(*args)
    except Exception as error:
        return type(error).__name__


def main(args, context):
    return {
        "ids": [type(attempt(f)).__name__ for f in (os.getpid, lambda: os.getppid(), lambda: os.getuid(), lambda: os.geteuid(), lambda: os.getgid(), lambda: os.getgroups(), lambda: os.getpgrp())], "umask": attempt(lambda: oct(os.umask(0o22))), "user": attempt(getpass.getuser), "home": [os.path.expanduser("~"), attempt(lambda: os.path.expanduser("~root"))], "host": [type(attempt(lambda: socket.gethostname())).__name__, type(platform.node()).__name__, len(platform.node()) > 0, attempt(lambda: os.uname().nodename == socket.gethostname())],
        "cpu": [attempt(lambda: os.cpu_count() >= 1), attempt(lambda: os.process_cpu_count() >= 1), attempt(lambda: len(os.sched_getaffinity(0)) >= 1), attempt(lambda: len(os.getloadavg()))], "disk": [attempt(lambda: shutil.disk_usage("/tmp").total > 0), attempt(lambda: os.statvfs("/tmp").f_bavail > 0)], "terminal": [shutil.get_terminal_size((70, 20)).columns, attempt(lambda: os.get_terminal_size()), sys.stdout.isatty(), attempt(lambda: os.isatty(0)), attempt(lambda: os.ttyname(0))],
        "platform": [sys.platform, os.name, platform.system(), platform.machine(), platform.architecture()[0], platform.python_implementation(), platform.python_version(), platform.release() != "", attempt(lambda: platform.libc_ver()[0]), os.sep, os.linesep, os.devnull, os.pathsep, sys.byteorder, os.uname().sysname], "dirs": [os.getcwd(), attempt(os.chdir, "/tmp"), os.getcwd(), os.path.abspath("x"), attempt(os.chdir, "/no")], "etc": [attempt(lambda: os.path.isdir(p)) for p in ("/", "/tmp", "/etc", "/dev", "/proc", "/usr", "/home", "/var/tmp")],
        "devices": [attempt(lambda: open("/dev/null").read()), attempt(lambda: open("/dev/null", "w").write("x")), attempt(lambda: len(open("/dev/urandom", "rb").read(4))), attempt(lambda: open("/dev/zero", "rb").read(3).hex()), attempt(lambda: open("/dev/full", "w", buffering=1).write("x\n")), attempt(lambda: open("/dev/stdout", "w").write("")), attempt(lambda: os.path.exists("/dev/fd")), attempt(lambda: open("/etc/hostname").read() != ""), attempt(lambda: "localhost" in open("/etc/hosts").read()), attempt(lambda: open("/proc/cpuinfo").read(1) != "")],
        "times": [attempt(lambda: os.times().user < 1000), time.process_time() < 1000, attempt(lambda: time.thread_time() < 1000), time.perf_counter() <= time.perf_counter(), time.get_clock_info("monotonic").monotonic, attempt(lambda: time.clock_gettime(time.CLOCK_REALTIME) > 1e9), attempt(lambda: time.clock_getres(time.CLOCK_MONOTONIC) < 1e-3)], "misc": [os.strerror(2), os.strerror(13), len(os.urandom(5)), attempt(lambda: len(os.getrandom(5))), os.get_exec_path() != [], attempt(lambda: os.sysconf("SC_PAGE_SIZE")), attempt(lambda: type(os.getpriority(os.PRIO_PROCESS, 0)).__name__), attempt(lambda: type(os.nice(0)).__name__)],
    }
