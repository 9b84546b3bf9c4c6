"""All verbs: what --help says of them, and where they are. No module of a verb is loaded to list them.

A name in two places is two entries, as `tare ps` and `tare container ls`.
"""

from __future__ import annotations

from runtime.values import Value

_HERE = "runtime.tare"


class Entry(Value):
    """``path`` is the words after ``tare``; ``target`` is ``module:ATTRIBUTE`` below `runtime.tare`, a `Verb`."""

    path: tuple[str, ...]
    purpose: str
    target: str
    aliases: tuple[str, ...] = ()
    hidden: bool = False

    @property
    def module(self) -> str:
        """In full."""
        return f"{_HERE}.{self.target.partition(':')[0]}"

    @property
    def attribute(self) -> str:
        """Of the module."""
        return self.target.partition(":")[2]


GROUPS = {
    "container": "Manage containers",
    "image": "Manage images",
    "network": "Manage networks",
    "volume": "Manage volumes",
    "builder": "Manage builds",
    "system": "Manage the engine",
}

# In the order in which --help shows them: what a user meets first, first.
COMMON = ("run", "exec", "ps", "build", "pull", "push", "images", "login", "logout", "search", "version", "info")


def _both(name: str, purpose: str, target: str, group: str = "container", inner: str = "") -> tuple[Entry, ...]:
    """At the top and in a group, perhaps under another name there."""
    return Entry((name,), purpose, target), Entry((group, inner or name), purpose, target)


ENTRIES: tuple[Entry, ...] = (
    # containers
    *_both("run", "Create and run a new container from an image", "containers.run:RUN"),
    *_both("exec", "Execute a command in a running container", "containers.execute:EXEC"),
    Entry(("ps",), "List containers", "containers.listing:PS"),
    Entry(("container", "ls"), "List containers", "containers.listing:PS", aliases=("ps", "list")),
    *_both("attach", "Attach local standard input, output, and error streams to a running container",
           "containers.attach:ATTACH"),
    *_both("commit", "Create a new image from a container's changes", "containers.commit:COMMIT"),
    *_both("cp", "Copy files/folders between a container and the local filesystem", "containers.copy:COPY"),
    *_both("create", "Create a new container", "containers.create:CREATE"),
    *_both("diff", "Inspect changes to files or directories on a container's filesystem", "containers.diff:DIFF"),
    Entry(("events",), "Get events of the engine as they happen", "containers.events:EVENTS"),
    Entry(("system", "events"), "Get events of the engine as they happen", "containers.events:EVENTS"),
    *_both("export", "Export a container's filesystem as a tar archive", "containers.export:EXPORT"),
    Entry(("inspect",), "Return low-level information on objects", "containers.inspect:INSPECT"),
    Entry(("container", "inspect"), "Display detailed information on one or more containers",
          "containers.inspect:INSPECT_CONTAINER"),
    *_both("kill", "Kill one or more running containers", "containers.control:KILL"),
    *_both("logs", "Fetch the logs of a container", "containers.logs:LOGS"),
    *_both("pause", "Pause all processes within one or more containers", "containers.control:PAUSE"),
    *_both("port", "List port mappings or a specific mapping for the container", "containers.port:PORT"),
    Entry(("container", "prune"), "Remove all stopped containers", "containers.prune:PRUNE"),
    *_both("rename", "Rename a container", "containers.control:RENAME"),
    *_both("restart", "Restart one or more containers", "containers.control:RESTART"),
    Entry(("rm",), "Remove one or more containers", "containers.remove:REMOVE"),
    Entry(("container", "rm"), "Remove one or more containers", "containers.remove:REMOVE", aliases=("remove",)),
    *_both("start", "Start one or more stopped containers", "containers.start:START"),
    *_both("stats", "Display a live stream of container(s) resource usage statistics", "containers.stats:STATS"),
    *_both("stop", "Stop one or more running containers", "containers.control:STOP"),
    *_both("top", "Display the running processes of a container", "containers.top:TOP"),
    *_both("unpause", "Unpause all processes within one or more containers", "containers.control:UNPAUSE"),
    *_both("update", "Update configuration of one or more containers", "containers.update:UPDATE"),
    *_both("wait", "Block until one or more containers stop, then print their exit codes", "containers.control:WAIT"),
    # images
    *_both("build", "Build an image from a Dockerfile", "images.build:BUILD", "image"),
    *_both("pull", "Download an image from a registry", "images.pull:PULL", "image"),
    *_both("push", "Upload an image to a registry", "images.push:PUSH", "image"),
    Entry(("images",), "List images", "images.listing:IMAGES"),
    Entry(("image", "ls"), "List images", "images.listing:IMAGES", aliases=("list",)),
    Entry(("image", "bootstrap"), "Make a base image from the distribution's packages", "images.bootstrap:BOOTSTRAP"),
    *_both("history", "Show the history of an image", "images.history:HISTORY", "image"),
    *_both("import", "Import the contents from a tarball to create a filesystem image", "images.imports:IMPORT",
           "image"),
    Entry(("image", "inspect"), "Display detailed information on one or more images", "images.inspect:INSPECT"),
    *_both("load", "Load an image from a tar archive or STDIN", "images.archives:LOAD", "image"),
    Entry(("image", "prune"), "Remove unused images", "images.prune:PRUNE"),
    Entry(("rmi",), "Remove one or more images", "images.remove:REMOVE"),
    Entry(("image", "rm"), "Remove one or more images", "images.remove:REMOVE", aliases=("remove",)),
    *_both("save", "Save one or more images to a tar archive (streamed to STDOUT by default)", "images.archives:SAVE",
           "image"),
    *_both("tag", "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE", "images.tag:TAG", "image"),
    Entry(("builder", "prune"), "Remove build cache", "images.builder:PRUNE"),
    # registries
    Entry(("login",), "Authenticate to a registry", "registries.login:LOGIN"),
    Entry(("logout",), "Log out from a registry", "registries.login:LOGOUT"),
    Entry(("search",), "Search a registry for images", "registries.search:SEARCH"),
    # networks
    Entry(("network", "connect"), "Connect a container to a network", "networks.connect:CONNECT"),
    Entry(("network", "create"), "Create a network", "networks.create:CREATE"),
    Entry(("network", "disconnect"), "Disconnect a container from a network", "networks.connect:DISCONNECT"),
    Entry(("network", "inspect"), "Display detailed information on one or more networks", "networks.inspect:INSPECT"),
    Entry(("network", "ls"), "List networks", "networks.listing:LIST", aliases=("list",)),
    Entry(("network", "prune"), "Remove all unused networks", "networks.remove:PRUNE"),
    Entry(("network", "rm"), "Remove one or more networks", "networks.remove:REMOVE", aliases=("remove",)),
    # volumes
    Entry(("volume", "create"), "Create a volume", "volumes.create:CREATE"),
    Entry(("volume", "inspect"), "Display detailed information on one or more volumes", "volumes.inspect:INSPECT"),
    Entry(("volume", "ls"), "List volumes", "volumes.listing:LIST", aliases=("list",)),
    Entry(("volume", "prune"), "Remove unused local volumes", "volumes.remove:PRUNE"),
    Entry(("volume", "rm"), "Remove one or more volumes", "volumes.remove:REMOVE", aliases=("remove",)),
    # applications
    Entry(("compose",), "Define and run applications of several containers", "compose.command:COMPOSE"),
    # system
    Entry(("version",), "Show the version information", "system.version:VERSION_VERB"),
    Entry(("completion",), "Generate the autocompletion script for the specified shell",
          "system.completion:COMPLETION"),
    Entry(("__complete",), "Say what may come next", "system.completion:COMPLETE", hidden=True),
    Entry(("info",), "Display system-wide information", "system.info:INFO"),
    Entry(("system", "info"), "Display system-wide information", "system.info:INFO"),
    Entry(("system", "df"), "Show disk usage", "system.df:DF"),
    Entry(("system", "prune"), "Remove unused data", "system.prune:PRUNE"),
    Entry(("system", "check"), "Verify the images and all that is remembered of containers", "system.check:CHECK"),
    Entry(("system", "reset"), "Stop and remove everything", "system.reset:RESET"),
)  # fmt: skip


def find(words: tuple[str, ...]) -> Entry | None:
    """The entry of these words, perhaps under an alias."""
    for entry in ENTRIES:
        if entry.path == words or (entry.path[:-1] == words[:-1] and words[-1] in entry.aliases):
            return entry
    return None


def names_of(entry: Entry) -> list[str]:
    """All command lines of what it leads to, as the help lists them."""
    names = []
    for other in ENTRIES:
        if other.target == entry.target:
            names += [" ".join(("tare", *other.path[:-1], name)) for name in (other.path[-1], *other.aliases)]
    return sorted(names)
