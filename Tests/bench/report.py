"""docs/performance.md and its plots, from what was measured."""

import datetime
import pathlib
import platform
import subprocess

import place

ORDER = ["floor", "catena", "wrappers", "reference", "netavark"]
COLORS = {"floor": "#888888", "catena": "#d1495b", "wrappers": "#edae49", "reference": "#00798c", "netavark": "#30638e"}


def number(value):
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def times(measured, base):
    """Rows of one operation: each engine's times, and its ratio to `base`."""
    rows = []
    for label in sorted(measured, key=lambda name: ORDER.index(name) if name in ORDER else 9):
        s = measured[label]
        ratio = f"{s.median / measured[base].median:.2f}" if base in measured else "-"
        rows.append([label, number(s.median), number(s.least), number(s.p90), f"{s.noise:.0%}", number(s.cpu), ratio])
    return rows


HEAD = ["", "median, ms", "least", "p90", "noise", "CPU, ms"]


def section(title, text, body):
    return f"## {title}\n\n{text}\n\n{body}\n"


def goals(results):
    """(what, goal, found, reached) for all that was measured."""
    rows = []

    def add(what, goal, found, reached):
        rows.append([what, goal, found, "yes" if reached else "**no**"])

    def at_most(what, measured, ours, base, limit, of="median"):
        if measured and ours in measured and base in measured:
            ratio = getattr(measured[ours], of) / getattr(measured[base], of)
            add(what, f"≤ {limit}×", f"{ratio:.2f}×", ratio <= limit)

    def faster(what, measured, limit, of="median"):
        if measured and "catena" in measured and "reference" in measured:
            ratio = getattr(measured["reference"], of) / getattr(measured["catena"], of)
            add(what, f"≥ {limit}×", f"{ratio:.1f}×", ratio >= limit)

    start = results.get("start", {})
    for label in ("catena", "wrapper (bridge)"):
        at_most(f"VERSION, {label}, to an empty C program", start, label, "empty C program", 1.5)
    b, c = results.get("b", {}), results.get("c", {})
    at_most("ADD (b) to the floor, wall", b.get("ADD"), "catena", "floor", 1.75)
    at_most("ADD (b) to the floor, CPU", b.get("ADD"), "catena", "floor", 1.75, "cpu")
    faster("ADD (b) faster than the reference, wall", b.get("ADD"), 25)
    faster("ADD (b) less than the reference, CPU", b.get("ADD"), 20, "cpu")
    faster("ADD (c) faster than the reference", c.get("ADD"), 25)
    faster("CHECK (c) faster than the reference", c.get("CHECK"), 20)
    at_most("DEL (b) to the floor", b.get("DEL"), "catena", "floor", 1.2)
    at_most("DEL (c) to the floor", c.get("DEL"), "catena", "floor", 1.2)
    faster("DEL (c) faster than the reference", c.get("DEL"), 7)
    scale = results.get("scale", {})
    if len(scale) > 1:
        least, most = min(scale), max(scale)
        for command in ("ADD", "CHECK", "DEL"):
            ratio = scale[most][command]["catena"].median / scale[least][command]["catena"].median
            add(f"{command} (b) at {most:,} attachments to at {least:,}", "≤ 1.2×", f"{ratio:.2f}×", ratio <= 1.2)
    held = results.get("reservations", {})
    if len(held) > 1:
        least, most = min(held), max(held)
        for command in ("ADD", "DEL"):
            ratio = held[most][command]["wrappers"].median / held[least][command]["wrappers"].median
            add(f"host-local {command} at {most:,} to at {least:,}", "≤ 1.2×", f"{ratio:.2f}×", ratio <= 1.2)
    together = results.get("together", {})
    if "reference" in together:
        ratio = together["catena"][0] / together["reference"][0]
        add("64 at once, ADDs a second against the reference", "≥ 15×, no failure", f"{ratio:.1f}×, {together['catena'][2]} failures",
            ratio >= 15 and together["catena"][2] == 0)
    counts = results.get("counts", {})
    if "c" in counts:
        memory = counts["c"]["ADD"]["catena"]["peak RSS, KiB"]
        add("peak RSS of catena for ADD (c)", "≤ 8 MB", f"{memory / 1024:.1f} MB", memory <= 8192)
    if "b" in counts:
        calls = counts["b"]["ADD"]["catena"]["system calls"]
        add("system calls of ADD (b)", "≤ 120", str(calls), calls <= 120)
    return rows


def machine():
    def first(*argv):
        try:
            return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()[0].strip()
        except (OSError, subprocess.CalledProcessError, IndexError):
            return "-"

    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "-")
    cores = sum(line.startswith("processor") for line in open("/proc/cpuinfo"))
    return [
        ["date", datetime.date.today().isoformat()], ["machine", f"{cores} × {model}"], ["kernel", platform.release()],
        ["Swift", first("swiftc", "--version")], *([name, version] for name, version in place.VERSIONS.items()),
    ]


def write(results, directory):
    directory = pathlib.Path(directory)
    parts = [
        "# Performance\n\nWritten by `make bench` in one run: everything side by side, interleaved, in private namespaces. Ratios are the headline; "
        "the times are this machine's.\nWhat was changed to get here, and what it brought, is in [performance-notes.md](performance-notes.md).\n",
        table(["", ""], machine()) + "\n",
        section("Goals", "(a) is bridge with host-local; (b) adds ipMasq and portmap with two ports; (c) adds firewall, bandwidth and tuning. The floor is "
                "[a C program](../Tests/bench/floor.c) that makes the system calls alone.", table(["what", "goal", "found", "reached"], goals(results))),
    ]
    if "start" in results:
        parts.append(section("Start: VERSION", "", table([*HEAD, "to empty"], times(results["start"], "empty C program"))))
    for key, title in [("a", "(a) bridge, host-local"), ("b", "(b) bridge with ipMasq, host-local, portmap"),
                       ("c", "(c) bridge with ipMasq, host-local, portmap, firewall, bandwidth, tuning"), ("six", "(b) with IPv4 and IPv6"), 
                       ("ports", "(b) with 1,000 published ports")]:
        if key in results:
            body = "\n\n".join(f"{command}:\n\n" + table([*HEAD, "to catena"], times(of, "catena")) for command, of in results[key].items())
            parts.append(section(title, "", body))
    for kind, found in results.get("counts", {}).items():
        for command, of in found.items():
            names = list(next(iter(of.values())))
            rows = [[name, *(f"{of[label].get(name, 0):,}" for label in of)] for name in names]
            parts.append(section(f"What {command} ({kind}) takes", "", table(["", *of], rows)))
    for key, title, text in [
            ("scale", "Many attachments", "(b) with so many attachments there: their links, addresses, reservations, ports and masquerading. Median, ms."),
            ("reservations", "Many reservations", "host-local alone, with so many addresses reserved. Median, ms.")]:
        if key in results:
            found = results[key]
            labels = [label for label in ORDER if any(label in of["ADD"] for of in found.values())]
            rows = [[f"{size:,}", *(number(of[command][label].median) if label in of[command] else "-" for command in of for label in labels)]
                    for size, of in found.items()]
            commands = list(next(iter(found.values())))
            parts.append(section(title, text, table(["present", *(f"{command} {label}" for command in commands for label in labels)], rows)
                                 + f"\n\n![{title}](performance-{key}.svg)"))
            plot_scale(found, directory / f"performance-{key}.svg", title)
    if "together" in results:
        rows = [[label, f"{rate:.0f}", number(p99), failures] for label, (rate, p99, failures) in results["together"].items()]
        parts.append(section("64 at once", "(b) for 64 containers at the same time.", table(["", "ADDs a second", "p99, ms", "failures"], rows)))
    if "b" in results:
        plot_operations(results, directory / "performance-operations.svg")
        parts.insert(3, "![ADD, CHECK and DEL](performance-operations.svg)\n")
    (directory / "performance.md").write_text("\n".join(parts))


def pyplot():
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "catena"
    import matplotlib.pyplot

    return matplotlib.pyplot


def plot_operations(results, path):
    """Bars: wall-clock time of each operation, engine by engine."""
    plt = pyplot()
    kinds = [kind for kind in "abc" if kind in results]
    figure, axes = plt.subplots(1, len(kinds), figsize=(4.2 * len(kinds), 3.4), sharey=True, squeeze=False)
    for axis, kind in zip(axes[0], kinds):
        commands = [command for command in ("ADD", "CHECK", "DEL") if results[kind].get(command)]
        labels = [label for label in ORDER if any(label in results[kind][command] for command in commands)]
        for place, label in enumerate(labels):
            there = [(i, results[kind][command][label].median) for i, command in enumerate(commands) if label in results[kind][command]]
            axis.bar([i + (place - len(labels) / 2) * 0.16 for i, _ in there], [v for _, v in there], 0.15, label=label, color=COLORS[label])
        axis.set_xticks(range(len(commands)), commands)
        axis.set_yscale("log")
        axis.set_title(f"({kind})")
    axes[0][0].set_ylabel("ms, median")
    axes[0][-1].legend(fontsize=8)
    save(plt, figure, path)


def plot_scale(found, path, title):
    """Lines: time against how many are there."""
    plt = pyplot()
    commands = list(next(iter(found.values())))
    figure, axes = plt.subplots(1, len(commands), figsize=(4.2 * len(commands), 3.4), sharey=True, squeeze=False)
    for axis, command in zip(axes[0], commands):
        for label in ORDER:
            points = [(size, of[command][label].median) for size, of in found.items() if label in of.get(command, {})]
            if points:
                axis.plot(*zip(*points), marker="o", label=label, color=COLORS[label])
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_title(command)
        axis.set_xlabel("present")
    axes[0][0].set_ylabel("ms, median")
    axes[0][-1].legend(fontsize=8)
    figure.suptitle(title)
    save(plt, figure, path)


def save(plt, figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
