"""Scripts on the emulated phone, through the real adb."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from typing import NamedTuple

import pytest

from device.adb_servers import AdbServer
from device.conftest import AnyDevice, MakePhone
from device.layouts import generic_phone
from device.phone import Phone

_CPU = "/sys/devices/system/cpu"


class Told(NamedTuple):
    """What a script said."""

    code: int
    out: str
    err: str


Shell = Callable[[str], Told]


def run_script(server: AdbServer, serial: str, script: str) -> Told:
    done = server.run("-s", serial, "shell", script)
    return Told(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def shell(phone: Phone, adb_server: AdbServer) -> Shell:
    return lambda script: run_script(adb_server, phone.serial, script)


@pytest.mark.device_capable
def test_streams_and_exit_code(any_device: AnyDevice) -> None:
    told = run_script(any_device.server, any_device.serial, "echo out; echo err >&2; exit 3")
    assert told == (3, "out\n", "err\n")


@pytest.mark.device_capable
def test_death_by_signal_is_128_plus_its_number(any_device: AnyDevice) -> None:
    assert run_script(any_device.server, any_device.serial, "kill -9 $$").code == 137


@pytest.mark.device_capable
def test_quoting_loops_and_background_processes(any_device: AnyDevice) -> None:
    script = """
        cd /data/local/tmp
        for word in 'a b' "it's"; do echo "<$word>"; done
        (sleep 0.05; echo late) & wait $!; echo $?
        printf '%s\\n' one two | while read line; do echo "$line."; done
    """
    told = run_script(any_device.server, any_device.serial, script)
    assert told == (0, "<a b>\n<it's>\nlate\n0\none.\ntwo.\n", "")


@pytest.mark.device_capable
def test_files_written_by_a_script(any_device: AnyDevice) -> None:
    script = """
        d=/data/local/tmp/edge-mnv3-selftest; mkdir -p $d && cd $d && pwd
        echo text > x; mv -f x "$d/y z"; stat -c %s "y z"; cat "$d/y z"; ls $d
        cd /; rm -rf $d; test -e $d; echo $?
    """
    told = run_script(any_device.server, any_device.serial, script)
    assert told.out == "/data/local/tmp/edge-mnv3-selftest\n5\ntext\ny z\n1\n"
    assert told.err == ""


def test_messages_of_the_shell(shell: Shell) -> None:
    told = shell("nosuch; cat /data/local/tmp/none; echo > /system/x")
    assert told.err.splitlines() == [
        "/system/bin/sh: nosuch: inaccessible or not found",
        "cat: /data/local/tmp/none: No such file or directory",
        "/system/bin/sh: can't create /system/x: Permission denied",
    ]


def test_the_phones_paths_are_never_the_computers(phone: Phone, shell: Shell) -> None:
    told = shell("echo $HOME $PATH; pwd; ls -d /data/local/tmp; command -v cat; echo /data/local/tmp >&2")
    assert str(phone.root) not in told.out + told.err
    assert told.out.splitlines() == [
        "/ /system/bin",
        "/",
        "/data/local/tmp",
        "/system/bin/cat",
    ]


def test_properties(shell: Shell) -> None:
    told = shell("getprop ro.product.model; getprop none default; getprop ro.boot.qemu; getprop | head -1")
    assert told.out == "Generic Phone\ndefault\n1\n[dalvik.vm.heapsize]: [512m]\n"


def test_settings(phone: Phone, shell: Shell) -> None:
    told = shell(
        "settings get global x; settings put global x 5; settings get global x; svc power stayon usb"
    )
    assert told == (0, "null\n5\n", "")
    assert phone.settings == {"adb_enabled": "1", "stay_on_while_plugged_in": "2", "x": "5"}
    assert shell("settings delete global x; settings get global x").out == "Deleted 1 rows\nnull\n"


def test_services(phone: Phone, shell: Shell) -> None:
    phone.conditions.battery_percent = 9
    phone.conditions.thermal_status = 2
    phone.conditions.screen_on = False
    told = shell(
        "dumpsys battery | grep level; dumpsys thermalservice | grep Status; dumpsys power; dumpsys no"
    )
    assert "  level: 9\n" in told.out
    assert "Thermal Status: 2\n" in told.out
    assert "mWakefulness=Asleep" in told.out
    assert told.err == "Can't find service: no\n"


def test_fixed_performance_mode_holds_lower_clocks(phone: Phone, shell: Shell) -> None:
    phone.conditions.ramps = False
    read = f"cat {_CPU}/cpu7/cpufreq/scaling_cur_freq"
    assert shell(read).out == "2400000\n"
    shell("cmd power set-fixed-performance-mode-enabled true")
    assert phone.fixed_performance
    assert shell(read).out == "1680000\n"
    shell("cmd power set-fixed-performance-mode-enabled false")
    assert not phone.fixed_performance


def test_taskset_is_shown_in_proc_and_inherited(shell: Shell) -> None:
    script = """
        taskset f0 sh -c '> /data/local/tmp/begun; sleep 60; :' &
        until test -e /data/local/tmp/begun && pidof sleep > /dev/null; do :; done
        grep Cpus_allowed /proc/$!/status; taskset -p $!; pidof sleep | wc -w; kill -9 $! $(pidof sleep)
    """
    told = shell(script)
    pid = told.out.split("pid ")[1].split("'")[0]
    assert told.out == (
        f"Cpus_allowed:\tf0\nCpus_allowed_list:\t4-7\npid {pid}'s current affinity mask: f0\n1\n"
    )


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("taskset 0 true", 1, "taskset: failed to set pid 0's affinity: Invalid argument\n"),
        ("taskset 100 true", 1, "taskset: failed to set pid 0's affinity: Invalid argument\n"),
        ("taskset xyz true", 1, "taskset: bad mask 'xyz'\n"),
        ("taskset f0 ./none", 127, "taskset: exec ./none: No such file or directory\n"),
        ("taskset f0 sh -c 'exit 5'", 5, ""),
    ],
)
def test_taskset_refuses(shell: Shell, command: str, code: int, message: str) -> None:
    assert shell(command) == (code, "", message)


def test_pkill_by_command_line_hits_the_shell_that_asks(phone: Phone, shell: Shell) -> None:
    told = shell("sleep 77.5 & echo started; pkill -9 -f 'sleep 77.5'; echo survived")
    assert told[:2] == (137, "started\n")
    assert phone.wait_for(lambda: phone.processes() == [])


def test_pkill_spares_the_shell_whose_words_do_not_match(phone: Phone, shell: Shell) -> None:
    told = shell("n=77; sleep $n.5 & until pkill -9 -f '^sleep 77[.]5'; do :; done; wait $!; echo $?")
    assert told[:2] == (0, "137\n")
    assert phone.wait_for(lambda: phone.processes() == [])


def test_processes_are_known(phone: Phone, shell: Shell) -> None:
    shell("sleep 60 > /dev/null 2>&1 < /dev/null &")
    assert phone.wait_for(lambda: [process.argv for process in phone.processes()] == [("sleep", "60")])
    listed = shell("ps -A -o PID,ARGS").out.splitlines()
    assert listed[0] == "PID ARGS"
    assert listed[1].endswith(" sleep 60")
    phone.kill_processes()
    assert phone.processes() == []


def test_the_end_of_the_client_ends_the_shell_only(phone: Phone, adb_server: AdbServer) -> None:
    client = subprocess.Popen(
        adb_server.argv("-s", phone.serial, "shell", "sleep 60; echo done"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=adb_server.environment,
    )
    assert phone.wait_for(lambda: [process.name for process in phone.processes()] == ["sh", "sleep"])
    client.kill()
    client.wait()
    assert phone.wait_for(lambda: [process.name for process in phone.processes()] == ["sleep"])


def test_the_end_of_the_client_ends_a_program_that_replaced_the_shell(
    phone: Phone, adb_server: AdbServer
) -> None:
    client = subprocess.Popen(
        adb_server.argv("-s", phone.serial, "shell", "exec taskset f0 sleep 60"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env=adb_server.environment,
    )
    assert phone.wait_for(lambda: [process.name for process in phone.processes()] == ["sleep"])
    client.kill()
    client.wait()
    assert phone.wait_for(lambda: phone.processes() == [])


def test_a_script_file_is_run_with_the_phones_paths(phone: Phone, shell: Shell) -> None:
    told = shell("""cd /data/local/tmp
        echo 'cat /proc/cpuinfo | head -1; echo "/data/x:$0:$1"; exit 4' > s.sh; sh s.sh word""")
    assert told == (4, "processor\t: 0\n/data/x:s.sh:word\n", "")


def test_old_android_has_fewer_commands(make_phone: MakePhone, adb_server: AdbServer) -> None:
    old = make_phone(generic_phone(sdk=25))
    script = "sha256sum /proc/cpuinfo; echo $?; cmd power set-fixed-performance-mode-enabled true; echo $?"
    told = run_script(adb_server, old.serial, f"{script}; dumpsys thermalservice")
    assert told.out == "127\n255\n"
    assert told.err.splitlines() == [
        "/system/bin/sh: sha256sum: not found",
        "Unknown command: set-fixed-performance-mode-enabled",
        "Can't find service: thermalservice",
    ]


def test_a_large_output_arrives_whole(shell: Shell) -> None:
    told = shell("i=0; while [ $i -lt 20000 ]; do echo 0123456789; i=$((i + 1)); done")
    assert told.out == "0123456789\n" * 20000


def test_captured_phones_show_their_cores(
    pixel: Phone, pixel_2_xl: Phone, pixel_8: Phone, adb_server: AdbServer
) -> None:
    script = f"getprop ro.product.model; cat {_CPU}/cpu*/cpufreq/cpuinfo_max_freq | sort -n | uniq -c"
    told = [
        run_script(adb_server, phone.serial, script).out.split() for phone in (pixel, pixel_2_xl, pixel_8)
    ]
    assert told == [
        ["Pixel", "2", "1593600", "2", "2150400"],
        ["Pixel", "2", "XL", "4", "1900800", "4", "2457600"],
        ["Pixel", "8", "4", "1704000", "4", "2367000", "1", "2914000"],
    ]
