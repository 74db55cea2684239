from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, parse_tag
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import InvalidVersion, Version


def main(args, context):
    versions = ["1.0", "1.0.dev1", "1.0a1", "1.0.post1", "2!0.1", "1.0+local.7", "0.9", "1.0rc1"]
    requirement = Requirement('requests[security,socks]>=2.8.1,!=2.9.*; python_version < "4" and sys_platform == "linux"')
    errors = []
    for kind, text in ((Version, "1.x"), (Requirement, "a b"), (Marker, "os == 1")):
        try:
            kind(text)
        except (InvalidVersion, InvalidRequirement, InvalidMarker) as error:
            errors.append([type(error).__name__, str(error).splitlines()[0]])
    wheel = parse_wheel_filename("Foo_Bar-1.0-1-cp313-abi3-manylinux_2_17_x86_64.whl")
    return [
        [str(v) for v in sorted(map(Version, versions))], [v for v in versions if v in SpecifierSet(">=1.0,<2")], list(SpecifierSet("~=1.4.2").filter(["1.4.1", "1.4.9", "1.5"])),
        [requirement.name, sorted(requirement.extras), str(requirement.specifier), str(requirement.marker)], Marker('extra == "x" or python_version >= "3.8"').evaluate({"extra": "y"}),
        Marker('sys_platform == "win32"').evaluate({"sys_platform": "win32"}), errors, canonicalize_name("Foo__Bar.baz"), [wheel[0], str(wheel[1]), list(wheel[2]), sorted(map(str, wheel[3]))],
        [str(p) for p in parse_sdist_filename("a-b-1.tar.gz")], sorted(map(str, parse_tag("py2.py3-none-any"))), Tag("PY3", "none", "any") in parse_tag("py3-none-any"),
        [Version("1.2.3.dev4").major, Version("1!2.0").epoch, Version("1.0rc1").is_prerelease, Version("1.0.0") == Version("1")],
    ]
