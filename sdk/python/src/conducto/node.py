"""The tree: nodes under names, each with its settings. Knows nothing of commands or of JSON.

>>> from conducto import Exec, Parallel, Serial
>>> root = Serial()
>>> root["build"] = Exec("make")
>>> root["checks"] = Parallel()
>>> root["checks/unit"] = Exec("make test")
>>> [str(node) for node in root.stream()]
['/', '/build', '/checks', '/checks/unit']
>>> with Serial() as same:
...     build = Exec("make", name="build")
...     with Parallel(name="checks"):
...         unit = Exec("make test", name="unit")
>>> str(unit)
'/checks/unit'
"""

from contextvars import ContextVar
from types import TracebackType
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, Type, TypeVar, Union

from . import callback as callbacks
from . import callsite, settings
from .errors import DuplicateImageError, TreeError, refusal
from .image import Image
from .settings import MaxTime, RunArgs, Tags

Self = TypeVar("Self", bound="Node")


_open_blocks: "ContextVar[Tuple[Node, ...]]" = ContextVar("open_blocks", default=())
"""The nodes whose `with` blocks are open in this thread or task, innermost last."""


class Node(settings.Settings):
    """What all nodes have in common; made as `Exec`, `Serial`, `Parallel` or `Notebook`.

    All keywords are attributes too.

    * `name`: only inside a `with` block: the name below the node of that block.
    * `image`: an `Image` or the reference of one; `image_name` the name of a registered one. Inherited.
    * `env`: environment variables, texts to texts. Inherited name by name.
    * `cpu` (processors), `mem` (GiB), `gpu` (whole number), `requires_docker`, `docker_run_args`: needs. Inherited.
    * `skip`: whether the node, with all below it, is passed over.
    * `suppress_errors`: whether it counts as done when something below it failed.
    * `max_time`: seconds, or a text such as `"1h30m"`.
    * `max_concurrent`: how many leaves below a group may run at once.
    * `container_reuse_context`: `"new"` or `"global"`; `same_container` is its older name.
    * `doc`: Markdown for people; `title` and `tags`: what a pipeline is listed under.

    Raises ValueError or TypeError for a setting that cannot be; the message says where and how to mend it.
    """

    _type = "Node"

    def __init__(
        self,
        *,
        env: Optional[Mapping[str, str]] = None,
        skip: bool = False,
        name: Optional[str] = None,
        cpu: Optional[float] = None,
        gpu: Optional[int] = None,
        mem: Optional[float] = None,
        requires_docker: Optional[bool] = None,
        suppress_errors: bool = False,
        max_time: MaxTime = None,
        max_concurrent: Optional[int] = None,
        container_reuse_context: Optional[str] = None,
        same_container: Optional[str] = None,
        image: Union[str, Image, None] = None,
        image_name: Optional[str] = None,
        docker_run_args: RunArgs = None,
        doc: Optional[str] = None,
        title: Optional[str] = None,
        tags: Tags = None,
        file: Optional[str] = None,
        line: Optional[int] = None,
        callback_data: Optional[Mapping[str, Any]] = None,
        pipeline_reservation: Optional[Mapping[str, Any]] = None,
    ) -> None:
        if same_container is not None and container_reuse_context is not None:
            raise refusal(
                ValueError,
                "same_container is the older name of container_reuse_context: they cannot be given both",
                help="keep container_reuse_context",
            )
        assert image is None or image_name is None, "can only specify one image"
        self.parent: Optional[Node] = None
        self.children: Dict[str, Node] = {}
        self._name = "/"
        self._callbacks: List[Tuple[str, callbacks.base]] = []
        self._registered: Dict[str, Image] = {}
        self.token: Optional[str] = None
        self.pipeline_id: Optional[str] = None
        self.file, self.line = file, line
        if file is None and settings.records_positions():
            self.file, self.line = callsite.position()
        super().__init__()
        self.env = env
        self.skip = skip
        self.cpu = cpu
        self.gpu = gpu
        self.mem = mem
        self.requires_docker = requires_docker
        self.suppress_errors = suppress_errors
        self.max_time = max_time
        self.max_concurrent = max_concurrent
        self.container_reuse_context = container_reuse_context if same_container is None else same_container
        self.docker_run_args = docker_run_args
        self.doc = doc
        self.title = title
        self.tags = tags
        self.callback_data = callback_data
        self.pipeline_reservation = pipeline_reservation
        if image is not None:
            self.image = image
        elif image_name is not None:
            self.image_name = image_name
        if name is not None:
            self._enter_under(name)

    # -- place in the tree

    @property
    def name(self) -> str:
        """The last part of the path; `/` for a root."""
        return self._name

    @property
    def root(self) -> "Node":
        """The top of the tree that the node is in."""
        node = self
        while node.parent is not None:
            node = node.parent
        return node

    def __str__(self) -> str:
        names: List[str] = []
        node = self
        while node.parent is not None:
            names.append(node._name)
            node = node.parent
        return "/" + "/".join(reversed(names))

    def __repr__(self) -> str:
        return "<{} {}>".format(type(self).__name__, self)

    def __setitem__(self, path: str, node: "Node") -> None:
        above, _, name = self._path(path).rpartition("/")
        start = self.root if path.startswith("/") else self
        start._find(above, path).append_child(name, node)

    def __getitem__(self, path: str) -> "Node":
        start = self.root if path.startswith("/") else self
        return start._find(self._path(path), path)

    def __contains__(self, path: str) -> bool:
        try:
            self[path]
        except KeyError:
            return False
        return True

    __iter__ = None

    def append_child(self, name: str, node: "Node") -> None:
        """Puts a node below this one, after the children that are there. Raises TreeError if that cannot be."""
        if not isinstance(node, Node):
            raise refusal(TypeError, "{!r} is no node".format(node), help='write node["{}"] = Exec("…")'.format(name))
        if not name:
            raise refusal(ValueError, "Name cannot be empty", help="give the node a name below its parent")
        if "/" in name:
            raise refusal(ValueError, "Disallowed character in name, may not use '/': " + name)
        where = "Adding node {} violates the integrity of the pipeline: ".format(name)
        if name in self.children:
            raise refusal(
                TreeError, where + "{} has a child of this name already".format(self), help="choose another name"
            )
        if node.parent is not None:
            raise refusal(TreeError, where + "it is {} already".format(node), help="make a node for each place")
        if node is self.root:
            raise refusal(TreeError, where + "it is the root of the same tree")
        self.children[name] = node
        node.parent, node._name = self, name

    def delete_child(self, name: str) -> None:
        """Takes a child, with all that is below it, out of the tree. Raises KeyError if there is none."""
        node = self.children.pop(name)
        node.parent, node._name = None, "/"

    def stream(self, reverse: bool = False) -> Iterator["Node"]:
        """Yields the node and all below it: parents first, or children first with `reverse=True`."""
        if not reverse:
            yield self
        for child in list(self.children.values()):
            yield from child.stream(reverse)
        if reverse:
            yield self

    def __enter__(self: Self) -> Self:
        _open_blocks.set(_open_blocks.get() + (self,))
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        _open_blocks.set(_open_blocks.get()[:-1])

    # -- images

    @property
    def image(self) -> Optional[Image]:
        """The image of this node: its own, else that of the nearest node above it that has one."""
        node: Optional[Node] = self
        while node is not None:
            if node._image is not None:
                return node._image
            if node._image_name is not None:
                return self.repo.get(node._image_name)
            node = node.parent
        return None

    @image.setter
    def image(self, image: Union[str, Image, None]) -> None:
        if not isinstance(image, (str, Image, type(None))):
            raise refusal(
                ValueError,
                "Unknown type for Node.image: {!r}".format(image),
                help='give an Image, or a text like "debian:12"',
            )
        self._image = Image(image) if isinstance(image, str) else image
        self._image_name = None

    @property
    def image_name(self) -> Optional[str]:
        """The name of the image of this node, its own or that of a node above it."""
        node: Optional[Node] = self
        while node is not None:
            if node._image is not None:
                return node._image.name
            if node._image_name is not None:
                return node._image_name
            node = node.parent
        return None

    @image_name.setter
    def image_name(self, name: Optional[str]) -> None:
        self._image, self._image_name = None, name

    def register_image(self, image: Image) -> None:
        """Makes an image known under its name, for nodes that ask for it by `image_name`."""
        known = self._registered.get(image.name)
        if known is not None and known != image:
            raise self._duplicate(image.name)
        self._registered[image.name] = image

    @property
    def repo(self) -> Dict[str, Image]:
        """The images of the whole tree, by name. Raises DuplicateImageError if two different ones have the same name."""
        found: Dict[str, Image] = {}
        for node in self.root.stream():
            for image in list(node._registered.values()) + ([node._image] if node._image is not None else []):
                if found.setdefault(image.name, image) != image:
                    raise self._duplicate(image.name)
        return found

    def check_images(self) -> None:
        """Raises an error if images of the tree have the same name or cannot be, or a node asks for one that is unknown."""
        known = self.repo
        for image in known.values():
            image.finalized()
        for node in self.root.stream():
            if node._image_name is not None and node._image_name not in known:
                raise refusal(
                    ValueError,
                    "node {} asks for the image {!r}, which is not known".format(node, node._image_name),
                    help="make it known: root.register_image(Image(…, name={!r}))".format(node._image_name),
                    where="{}:{}".format(node.file, node.line),
                )

    # -- callbacks

    def on_done(self, callback: callbacks.base) -> None:
        """Registers what happens when the node is done."""
        self._on("done", callback)

    def on_error(self, callback: callbacks.base) -> None:
        """Registers what happens when the node failed."""
        self._on("error", callback)

    def on_queued(self, callback: callbacks.base) -> None:
        """Registers what happens when the node is queued."""
        self._on("queued", callback)

    def on_running(self, callback: callbacks.base) -> None:
        """Registers what happens when the node begins to run."""
        self._on("running", callback)

    def on_killed(self, callback: callbacks.base) -> None:
        """Registers what happens when the node was killed."""
        self._on("worker_error", callback)

    def on_state_change(self, callback: callbacks.base) -> None:
        """Registers what happens whenever the node changes its state."""
        self._on("stateChange", callback)

    # -- other forms

    def describe(self) -> Dict[str, Any]:
        """Returns the node's own settings as a dict, without what is inherited."""
        from . import serialize

        return serialize.describe(self)

    def serialize(self, pretty: bool = False) -> str:
        """Returns the tree below this node as the server reads it; with `pretty=True` as text for people.

        Images keep the form in which they were given; `conducto.main` prints their final form.
        """
        from . import serialize

        return serialize.to_text(self) if pretty else serialize.encode(serialize.to_object(self))

    @staticmethod
    def deserialize(text: str) -> "Node":
        """Returns the tree of a serialization. Raises ValueError if it is none."""
        from . import serialize

        return serialize.from_object(serialize.decode(text))

    def pretty(self, strict: bool = True) -> str:
        """Returns the tree as people read it. `strict=False` leaves paths that the image does not have as they are."""
        from . import pretty

        return pretty.tree(self, strict=strict)

    def launch(self, **options: Any) -> None:
        """Raises NotInThisService: pipelines start from a commit. The message says how."""
        from . import launch

        launch.refuse(**options)

    def launch_local(self, **options: Any) -> None:
        """Raises NotInThisService, as `launch` does."""
        self.launch(local=True, **options)

    def _on(self, event: str, callback: callbacks.base) -> None:
        if not isinstance(callback, callbacks.base):
            raise refusal(
                TypeError,
                "{!r} is no callback".format(callback),
                help="take one of conducto.callback, such as retry(2)",
            )
        self._callbacks.append((event, callback))

    def _enter_under(self, name: str) -> None:
        blocks = _open_blocks.get()
        if not blocks:
            raise refusal(
                ValueError,
                "Cannot assign name={} outside of a context manager.".format(name),
                help='make the node inside `with parent:`, or write parent["{}"] = node'.format(name),
            )
        blocks[-1].append_child(name, self)

    def _duplicate(self, name: str) -> DuplicateImageError:
        return refusal(
            DuplicateImageError,
            "{} already present with a different definition in this repository".format(name),
            help="give each image a name of its own, or none",
        )

    def _find(self, path: str, asked: str) -> "Node":
        node = self
        for name in path.split("/") if path else []:
            if name not in node.children:
                raise refusal(KeyError, "there is no node {!r} below {}, asked for {!r}".format(name, node, asked))
            node = node.children[name]
        return node

    @staticmethod
    def _path(path: str) -> str:
        if not isinstance(path, str):
            raise refusal(TypeError, "the path of a node is a text, got {!r}".format(path))
        return "/".join(name for name in path.split("/") if name)
