#!/usr/bin/env python3
"""Sets up Clean Plate: `python3 install.py [install | demo | test | doctor | uninstall]`.

Standard library only, Python ≥ 3.8. Everything lives under CLEANPLATE_HOME (by default the
user-data folder `cleanplate`); the one thing elsewhere is the plug-in in Krita's own folder.
"""

import argparse
import os
import subprocess
import sys
from typing import List, Optional

if sys.version_info < (3, 8):
    sys.exit("install.py needs Python 3.8 or newer to start; this is " + sys.version.split()[0])

ROOT = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, ROOT)
sys.dont_write_bytecode = True  # a clone stays as clean as it was

from plugin.installer import (  # noqa: E402
    environment,
    krita,
    krita_plugin,
    launcher,
    manifest,
    testing,
)
from plugin.installer.console import Console, InstallError  # noqa: E402
from plugin.installer.layout import Layout  # noqa: E402
from plugin.installer.lock import single_run  # noqa: E402
from plugin.installer.processes import clean_environ, output, tail  # noqa: E402


def arguments(given: Optional[List[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="install.py", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("command", nargs="?", default="install",
                        choices=("install", "demo", "test", "doctor", "uninstall"))
    parser.add_argument("--no-editors", action="store_true", help="leave Krita alone")
    models = parser.add_mutually_exclusive_group()
    models.add_argument("--no-models", action="store_true", help="never try to download weights")
    models.add_argument("--models", nargs="+", metavar="NAME",
                        help="official weights to download (`cleanplate models list` names them)")
    parser.add_argument("--krita-resources", metavar="DIR",
                        help="Krita's resource folder, where it is not found by itself")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    parser.add_argument("--yes", action="store_true", help="ask nothing")
    parser.add_argument("--editors", choices=("default", "all"), default="default",
                        help="test: also in newer Kritas, in folders made with debootstrap (root)")
    parser.add_argument("--keep-models", action="store_true",
                        help="uninstall: leave downloaded weights")
    parser.add_argument("--pytest", nargs=argparse.REMAINDER, default=[], metavar="ARGUMENTS",
                        help="test: everything after this goes to pytest")
    return parser.parse_args(given)


def site_packages(layout: Layout) -> str:
    """The environment's folder of packages."""
    return os.path.dirname(environment.path_file(layout))


def program(layout: Layout, *words: str) -> List[str]:
    """The command line as a command."""
    return [layout.launcher, *words]


def call(command: List[str], layout: Layout) -> int:
    """Runs one of our own programs with the user's terminal."""
    environ = clean_environ()
    environ["CLEANPLATE_HOME"] = layout.home
    sys.stdout.flush()
    return subprocess.call(command, env=environ, stdin=subprocess.DEVNULL)


def install(options: argparse.Namespace, layout: Layout, console: Console,
            extras: List[str]) -> int:
    """Environment, program, plug-in, models; the command line last. Returns the exit status."""
    known = manifest.load(layout)
    if not console.dry_run:
        manifest.claim_trees(layout, known)
        manifest.save(layout, known)
    console.step("Environment in " + layout.home)
    environment.create(layout, ROOT, console, extras)
    console.step("Program")
    changed = environment.copy_program(layout, ROOT, console)
    if not changed:
        console.say("up to date")
    elif not console.dry_run:
        console.say("copied to " + layout.app)
        environment.warm_up(layout, console)
    if not options.no_editors:
        console.step("Krita")
        editors(options, layout, console, known)
    if not console.dry_run:
        if launcher.write(layout):
            console.say("command line: " + layout.launcher)
        known["files"].append(layout.launcher)
        known["folders"].append(layout.bin)
        known["version"] = version()
        manifest.save(layout, known)
        if changed and os.path.exists(os.path.join(layout.home, "run", "backend.json")):
            # A backend of the version before would go on answering; the next use starts the new.
            call(program(layout, "stop"), layout)
    return models(options, layout, console)


def editors(options: argparse.Namespace, layout: Layout, console: Console,
            known: "dict[str, list[str]]") -> None:
    """Puts the plug-in into every Krita that there is."""
    found = krita.find(resources=options.krita_resources)
    if not found:
        console.say("no Krita found; install it and start this again, or name its resource folder "
                    "with --krita-resources")
    for one in found:
        if not one.supported:
            console.warn("%s Krita: %s." % (one.flavour, one.note))
            continue
        packages = site_packages(layout)
        changed = krita_plugin.install(one, ROOT, packages, layout.home, known, console)
        if not console.dry_run:
            manifest.save(layout, known)
            console.say("%s Krita: plug-in %s in %s" % (
                one.flavour, "put" if changed else "up to date", one.resources))
        if changed and not console.dry_run and krita.running():
            console.warn("Krita is running: close it and start this again, because it rewrites "
                         "its settings when it ends and would switch the plug-in off.")
        if one.flavour == "Flatpak":
            console.say("Flatpak Krita cannot start the backend itself: run `%s serve` first"
                        % layout.launcher)


def models(options: argparse.Namespace, layout: Layout, console: Console) -> int:
    """Official weights: those named, else the recommended ones where the user agrees.

    Returns 1 when one that was named could not be installed: everything else is set up then."""
    if options.no_models:
        return 0
    names = options.models
    if not names:
        names = environment.recommended_models(layout)
        if not names or not console.ask(
                "Download better official weights now (%s)? The built-in ones work without."
                % ", ".join(names), False):
            console.say("models: the built-in ones; better ones: `%s models list`"
                        % layout.launcher)
            return 0
    console.step("Models")
    if console.dry_run:
        console.would("download " + ", ".join(names))
    elif call(program(layout, "models", "install", *names), layout) != 0:
        console.warn("Not all models could be installed; the built-in ones do their work. Later: "
                     "%s models install %s" % (layout.launcher, " ".join(names)))
        return 1 if options.models else 0
    return 0


def version() -> str:
    """The version that backend/__init__.py states."""
    with open(os.path.join(ROOT, "backend", "__init__.py"), encoding="utf-8") as file:
        for line in file:
            if line.startswith("__version__"):
                return line.split('"')[1]
    return ""


def demo(options: argparse.Namespace, layout: Layout, console: Console) -> int:
    """Sets up and shows the whole path on the bundled photo."""
    status = install(options, layout, console, [])
    console.step("Demo")
    if console.dry_run:
        console.would("clean the sample and write to " + layout.demo)
        return status
    return call([layout.python, "-I", "-m", "plugin.demo", "--home", layout.home], layout) or status


def test(options: argparse.Namespace, layout: Layout, console: Console) -> int:
    """Sets up test tools and runs every test."""
    options.no_models = True
    options.no_editors = True  # the tests have Kritas of their own and leave the user's alone
    install(options, layout, console, ["test"])
    console.step("Tools for the tests")
    testing.system_tools(layout, console)
    console.step("Tests")
    return testing.run_tests(layout, ROOT, console, options.editors, options.pytest)


def doctor(layout: Layout, console: Console) -> int:
    """One report; works with a broken or missing environment too."""
    if os.path.exists(layout.launcher) and output([layout.launcher, "--version"]):
        return call(program(layout, "doctor"), layout)
    print("Clean Plate %s" % version())
    print("home         %s" % layout.home)
    state = "works" if output([layout.python, "-V"]) else "missing or broken"
    print("environment  %s: %s" % (state, layout.env))
    for one in krita.find():
        print("editor       %s Krita, resources %s" % (one.flavour, one.resources))
    for line in tail(layout.log, 10):
        print("log          " + line)
    print("Not set up completely. Start `python3 install.py`.")
    return 1


def uninstall(options: argparse.Namespace, layout: Layout, console: Console) -> int:
    """Removes what the manifest lists."""
    if not os.path.exists(layout.manifest):
        console.say("nothing is installed in " + layout.home)
        return 0
    if not console.ask("Remove Clean Plate from %s and from Krita?" % layout.home, True):
        return 1
    if krita.running():
        console.warn("Krita is running; it may write the plug-in's setting again when it ends.")
    if os.path.exists(layout.launcher) and not console.dry_run:
        call(program(layout, "stop"), layout)
    manifest.remove(layout, console, options.keep_models)
    console.finish(None if console.dry_run else "Clean Plate is uninstalled.")
    return 0


def main(given: Optional[List[str]] = None) -> int:
    options = arguments(given)
    layout = Layout()
    console = Console(options.yes, options.dry_run)
    try:
        if options.command == "doctor":
            return doctor(layout, console)
        with single_run(layout, console):
            if options.command == "uninstall":
                return uninstall(options, layout, console)
            if options.command == "demo":
                return demo(options, layout, console)
            if options.command == "test":
                return test(options, layout, console)
            status = install(options, layout, console, [])
            console.finish(None if console.dry_run else (
                "Ready. In Krita: Filter > Clean Plate > Remove Text and People.\n"
                "On the command line: %s clean IMAGE --out FOLDER" % layout.launcher))
            return status
    except InstallError as error:
        console.end_tick()
        print("\n" + str(error), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        console.end_tick()
        print("\nInterrupted; start it again to go on.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
