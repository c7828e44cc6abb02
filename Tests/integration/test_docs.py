"""What the documents print works as it is printed."""

import json
import os
import pathlib
import re
import subprocess

import pytest

import harness
from harness import Runtime, bridge, conflist, host_local


def test_the_module_of_the_abi_page(stage, host, scratch, a):
    """The C module of docs/module-abi.md compiles without a warning, and does in a chain what the page says."""
    page = (harness.REPO / "docs/module-abi.md").read_text()
    source = scratch / "extra-dns.c"
    source.write_text(re.search(r"```c\n(.*?)```", page, re.S).group(1))
    modules = scratch / "modules"
    modules.mkdir()
    modules.chmod(0o755)
    for module in harness.MODULES.glob("*.so"):
        (modules / module.name).write_bytes(module.read_bytes())
    subprocess.run(
        ["gcc", "-std=c11", "-shared", "-fPIC", "-Wall", "-Wextra", "-pedantic", "-Werror", f"-I{harness.INCLUDE}", "-o",
         modules / "extra-dns.so", source], check=True)
    for module in modules.iterdir():
        module.chmod(0o755)
    runtime = Runtime(host, "catena", env={"CATENA_MODULE_PATH": modules})
    network = conflist(bridge(isGateway=True, ipam=host_local("10.1.0.0/24", routes=["0.0.0.0/0"])), {"type": "extra-dns"})
    result = runtime.add(network, a)
    assert result["routes"] == [{"dst": "0.0.0.0/0"}]
    assert result["dns"] == {"nameservers": ["198.51.100.53"]} and result["ips"][0]["interface"] == 2
    runtime.check(network, a)
    runtime.delete(network, a)


def test_the_commands_of_the_abi_page(sdk, scratch, host, a):
    """Its commands, as they are printed: compile by pkg-config, see the module listed, attach a namespace with it, and detach it."""
    page = (harness.REPO / "docs/module-abi.md").read_text()
    (scratch / "extra-dns.c").write_text(re.search(r"```c\n(.*?)```", page, re.S).group(1))
    blocks = {block.split()[0]: block for block in re.findall(r"```sh\n(.*?)```", page, re.S)}
    # Not what takes root, and not what makes a private host: this is one.
    skipped = ("sudo ", "unshare ", "mount ")
    lines = [line for line in (blocks["cc"] + blocks["echo"]).splitlines() if not line.startswith(skipped)]
    # The list is of what is installed; here it is in the directory that the later block names.
    lines.remove("catenactl module list")
    script = "\n".join(lines + ["catenactl module list"]).replace("/run/netns/test", a.path)
    done = host.run(["bash", "-ec", f"cd {scratch}; {script}"], env={
        "PATH": f"{sdk.prefix}/bin:{os.environ['PATH']}", "PKG_CONFIG_PATH": f"{sdk.prefix}/lib/pkgconfig"})
    assert '"198.51.100.53"' in done.stdout and re.search(rf"^extra-dns +meta +1.0.0 +- +{scratch}/extra-dns.so$", done.stdout, re.M)
    assert "1 DNS servers now" in done.stderr and a.link("eth0") is None


def test_json_of_the_documents():
    """Every JSON block of README files and documents is JSON."""
    count = 0
    for page in [harness.REPO / "README.md", *harness.REPO.glob("docs/*.md"), *harness.REPO.glob("Modules/*/README.md"), *harness.REPO.glob("Examples/**/*.md")]:
        for block in re.findall(r"```json\n(.*?)```", page.read_text(), re.S):
            json.loads(block)
            count += 1
    assert count >= 3


def test_links_of_the_documents():
    """Every relative link leads to a file."""
    for page in [*harness.REPO.glob("*.md"), *harness.REPO.glob("docs/*.md"), *harness.REPO.glob("Modules/*/README.md"), *harness.REPO.glob("Examples/**/*.md"),
                 *harness.REPO.glob("conflists/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / target).exists(), (page, target)


def named_tests(text):
    """(file, test) of every `test_x.py: test_y`, `test_z`."""
    for file, names in re.findall(r"`(test_\w+\.py): (test_\w+`(?:, `test_\w+`)*)", text):
        for name in re.findall(r"test_\w+", names):
            yield file, name


@pytest.mark.parametrize("page", ["spec-conformance.md", "reference-bugs.md"])
def test_the_tests_that_pages_name_exist(page):
    """A table that names a test which is gone would claim what nobody checks."""
    folder = pathlib.Path(__file__).parent
    missing = [f"{file}: {name}" for file, name in named_tests((harness.REPO / "docs" / page).read_text())
               if not re.search(rf"^def {name}\(", (folder / file).read_text(), re.M)]
    assert missing == []


def test_conformance_has_every_item():
    text = (harness.REPO / "docs" / "spec-conformance.md").read_text()
    assert re.findall(r"^\| (S\d+) \|", text, re.M) == [f"S{number}" for number in range(1, 110)] and "GAP" not in text
