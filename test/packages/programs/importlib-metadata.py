import importlib_metadata as metadata


def main(args, context):
    package = metadata.distribution("importlib-metadata")
    try:
        metadata.version("no-such-package")
        missing = ""
    except metadata.PackageNotFoundError as error:
        missing = str(error)
    files = [str(f) for f in metadata.files("zipp") if f.suffix == ".py"]
    entries = metadata.EntryPoints([metadata.EntryPoint("dumps", "json:dumps", "codecs"), metadata.EntryPoint("loads", "json:loads", "codecs"), metadata.EntryPoint("x", "a.b:c [extra]", "other")])
    return [
        package.metadata["Name"], package.version == metadata.version("importlib_metadata"), package.version, sorted(metadata.requires("importlib-metadata"))[:1],
        missing, "zipp/__init__.py" in files, entries.select(group="codecs").names == {"dumps", "loads"}, entries["loads"].load()("[1]"),
        sorted(entries.groups), [entries["x"].module, entries["x"].attr, list(entries["x"].extras)],
        metadata.packages_distributions()["importlib_metadata"], next(f for f in metadata.files("zipp") if f.name == "__init__.py").read_text()[:3],
    ]
