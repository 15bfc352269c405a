"""What can be set on a node, and which values cannot be. Knows nothing of trees."""

import shlex
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Mapping, Optional, Type, TypedDict, Union

from . import text
from .errors import refusal

if TYPE_CHECKING:
    from .image import Image

MaxTime = Union[int, float, str, None]
RunArgs = Union[str, Iterable[str], None]
Tags = Union[str, Iterable[str], None]


class NodeSettings(TypedDict, total=False):
    """The keywords of every node, for type checkers."""

    env: Optional[Mapping[str, str]]
    skip: bool
    name: Optional[str]
    cpu: Optional[float]
    gpu: Optional[int]
    mem: Optional[float]
    requires_docker: Optional[bool]
    suppress_errors: bool
    max_time: MaxTime
    max_concurrent: Optional[int]
    container_reuse_context: Optional[str]
    same_container: Optional[str]
    image: Union[str, "Image", None]
    image_name: Optional[str]
    docker_run_args: RunArgs
    doc: Optional[str]
    title: Optional[str]
    tags: Tags
    file: Optional[str]
    line: Optional[int]
    callback_data: Optional[Mapping[str, Any]]
    pipeline_reservation: Optional[Mapping[str, Any]]


INHERITED = ("skip", "cpu", "gpu", "mem", "requires_docker", "docker_run_args")
"""The settings that a node may take from one above it; `image_name` and variables are inherited too."""

_FORBIDDEN_ARGS = ("--cpus", "--memory", "--network")
_positions = True


class ContainerReuseContext:
    """Values of `container_reuse_context`: in which container a node runs."""

    NEW = "new"
    GLOBAL = "global"


class SameContainer:
    """Older names of the same: values of `same_container`."""

    NEW = "new"
    ESCAPE = "global"
    INHERIT = None


def records_positions() -> bool:
    """Says whether nodes remember which line made them."""
    return _positions or text.env_bool("CONDUCTO_FORCE_DEBUG_INFO")


class Settings:
    """The settings of a node, each checked when it is set."""

    DEFAULT_CPU = 1
    DEFAULT_MEM = 2
    DEFAULT_GPU = 0
    SKIP_RUN_NONE = 0
    SKIP_RUN_SOME = 1
    SKIP_RUN_ALL = 2

    sys_default: Dict[str, Any] = {
        "cpu": DEFAULT_CPU,
        "gpu": DEFAULT_GPU,
        "mem": DEFAULT_MEM,
        "container_id": -1,
        "requires_docker": False,
        "max_time": "4h",
    }

    doc: Optional[str]
    title: Optional[str]

    def __init__(self) -> None:
        self._set: Dict[str, Any] = {}
        self._env: Dict[str, str] = {}
        self._image: Optional[Image] = None
        self._image_name: Optional[str] = None

    def set(self, **values: Any) -> None:
        """Sets several settings at once; those that are None stay as they are.

        >>> from conducto import Exec
        >>> node = Exec("make", cpu=2)
        >>> node.set(cpu=None, mem=4)
        >>> node.cpu, node.mem
        (2, 4)
        """
        for key, value in values.items():
            if key not in _SETTABLE or not hasattr(self, key):
                raise refusal(TypeError, "set() got an unexpected keyword argument {!r}".format(key))
            if value is not None:
                setattr(self, key, value)

    def get_inherited_attribute(self, key: str) -> Any:
        """Returns a setting of this node, of the nearest node above that has it, or the default."""
        node: Any = self
        while node is not None:
            value = getattr(node, key)
            if value is not None:
                return value
            node = node.parent
        return self.sys_default.get(key)

    @property
    def user_set(self) -> Dict[str, Any]:
        """The inheritable settings that this node has itself."""
        return {key: self._set.get(key) for key in INHERITED}

    @property
    def env(self) -> Dict[str, str]:
        """The variables of this node itself; what is inherited is not among them."""
        return self._env

    @env.setter
    def env(self, env: Optional[Mapping[str, str]]) -> None:
        if env is not None and not isinstance(env, Mapping):
            raise refusal(TypeError, "env must be a dict, got {!r}".format(env), help='write env={"NAME": "value"}')
        self._env = dict(env or {})
        check_env(self._env)

    @property
    def skip(self) -> bool:
        """Whether the node, with all below it, is passed over."""
        return bool(self._set.get("skip"))

    @skip.setter
    def skip(self, skip: Optional[bool]) -> None:
        self._set["skip"] = _flag("skip", skip) or False

    @property
    def suppress_errors(self) -> bool:
        """Whether the node counts as done when something below it failed."""
        return bool(self._set.get("suppress_errors"))

    @suppress_errors.setter
    def suppress_errors(self, suppress: Optional[bool]) -> None:
        self._set["suppress_errors"] = _flag("suppress_errors", suppress) or False

    @property
    def requires_docker(self) -> Optional[bool]:
        """Whether the node talks to the machine's own Docker; None if it does not say."""
        requires: Optional[bool] = self._set.get("requires_docker")
        return requires

    @requires_docker.setter
    def requires_docker(self, requires: Optional[bool]) -> None:
        self._set["requires_docker"] = _flag("requires_docker", requires)

    @property
    def cpu(self) -> Optional[float]:
        """Processors, or None."""
        cpu: Optional[float] = self._set.get("cpu")
        return cpu

    @cpu.setter
    def cpu(self, cpu: Optional[float]) -> None:
        self._set["cpu"] = _amount("cpu", "processors", cpu)

    @property
    def mem(self) -> Optional[float]:
        """Memory in GiB, or None."""
        mem: Optional[float] = self._set.get("mem")
        return mem

    @mem.setter
    def mem(self, mem: Optional[float]) -> None:
        self._set["mem"] = _amount("mem", "GiB", mem)

    @property
    def gpu(self) -> Optional[int]:
        """Graphics processors, or None."""
        gpu: Optional[int] = self._set.get("gpu")
        return gpu

    @gpu.setter
    def gpu(self, gpu: Optional[int]) -> None:
        if gpu is not None and (isinstance(gpu, bool) or not isinstance(gpu, int) or gpu < 0):
            raise refusal(ValueError, "gpu must be a whole number, 0 or more, got {!r}".format(gpu))
        self._set["gpu"] = gpu

    @property
    def max_time(self) -> MaxTime:
        """The longest time, in seconds or as a text such as `"1h30m"`; None if it is not limited here."""
        limit: MaxTime = self._set.get("max_time")
        return limit

    @max_time.setter
    def max_time(self, limit: MaxTime) -> None:
        if limit:  # 0 has always meant no limit
            try:
                text.seconds(limit)
            except ValueError as error:
                raise refusal(ValueError, "max_time: {}".format(error), help='write max_time="10m"') from None
        self._set["max_time"] = limit

    @property
    def max_concurrent(self) -> Optional[int]:
        """How many leaves below a group may run at once; None if any number."""
        most: Optional[int] = self._set.get("max_concurrent")
        return most

    @max_concurrent.setter
    def max_concurrent(self, most: Optional[int]) -> None:
        if most is not None:
            if isinstance(most, bool) or not isinstance(most, int) or most < 1:
                raise refusal(
                    ValueError,
                    "Cannot specify no concurrent nodes: max_concurrent must be a whole number, 1 or more, got {!r}".format(
                        most
                    ),
                    help="leave it out for no limit",
                )
        self._set["max_concurrent"] = most

    @property
    def container_reuse_context(self) -> Optional[str]:
        """`"new"`, `"global"` or None."""
        context: Optional[str] = self._set.get("container_reuse_context")
        return context

    @container_reuse_context.setter
    def container_reuse_context(self, context: Optional[str]) -> None:
        if context not in (None, ContainerReuseContext.NEW, ContainerReuseContext.GLOBAL):
            raise refusal(
                ValueError,
                'container_reuse_context must be "new" or "global", got {!r}'.format(context),
                help="take conducto.ContainerReuseContext.NEW or .GLOBAL",
            )
        self._set["container_reuse_context"] = context

    @property
    def docker_run_args(self) -> Optional[List[str]]:
        """Further options of `docker run`, or None."""
        words: Optional[List[str]] = self._set.get("docker_run_args")
        return words

    @docker_run_args.setter
    def docker_run_args(self, given: RunArgs) -> None:
        words = shlex.split(given) if isinstance(given, str) else given
        if words is not None:
            words = list(words) if isinstance(words, Iterable) else [words]
            if not all(isinstance(word, str) for word in words):
                raise refusal(
                    ValueError,
                    "Invalid value for docker_run_args, str or List[str] required: {!r}".format(given),
                    help='write docker_run_args=["--shm-size", "1g"]',
                )
            for word in words:
                if word.split("=")[0] in _FORBIDDEN_ARGS:
                    raise refusal(
                        ValueError,
                        "Invalid value for docker_run_args, cannot specify {}: {!r}".format(word.split("=")[0], given),
                        help="cpu and mem are settings of their own; each pipeline has its own network",
                    )
        self._set["docker_run_args"] = words

    @property
    def tags(self) -> Optional[List[str]]:
        """What the pipeline is listed under, or None."""
        tags: Optional[List[str]] = self._set.get("tags")
        return tags

    @tags.setter
    def tags(self, tags: Tags) -> None:
        self._set["tags"] = self.sanitize_tags(tags)

    @staticmethod
    def sanitize_tags(tags: Tags) -> Optional[List[str]]:
        """Returns tags as a list. Raises TypeError if they are not texts.

        >>> Settings.sanitize_tags("nightly"), Settings.sanitize_tags(("a", "b")), Settings.sanitize_tags(None)
        (['nightly'], ['a', 'b'], None)
        """
        if tags is None:
            return None
        if isinstance(tags, str):
            return [tags]
        if not isinstance(tags, (list, tuple, set, frozenset)):
            raise refusal(
                TypeError, "Cannot convert {!r} to list of strings.".format(tags), help='write tags=["nightly"]'
            )
        for tag in tags:
            if not isinstance(tag, str):
                raise refusal(
                    TypeError, "Expected list of strings, but got {!r}".format(tag), help='write tags=["nightly"]'
                )
        return sorted(tags) if isinstance(tags, (set, frozenset)) else list(tags)

    @staticmethod
    def force_debug_info(value: bool) -> None:
        """Says whether nodes remember which line made them; without it large trees are made faster."""
        global _positions
        _positions = value


_SETTABLE = frozenset(INHERITED) | {
    "env",
    "suppress_errors",
    "max_time",
    "max_concurrent",
    "container_reuse_context",
    "stop_on_error",
    "image",
    "image_name",
    "doc",
    "title",
    "tags",
    "file",
    "line",
    "callback_data",
    "pipeline_reservation",
}


def check_env(env: Mapping[Any, Any], node: Optional[object] = None) -> None:
    """Raises TypeError for a variable that is not a text."""
    of = "" if node is None else "{} has ".format(node)
    for key, value in env.items():
        if not isinstance(key, str) or not isinstance(value, str):
            wrong: Type[Any] = type(value) if isinstance(key, str) else type(key)
            raise refusal(
                TypeError,
                "{}{} in env value for {} when str is required".format(of, wrong.__name__, key),
                help='write env={{"{}": "{}"}}'.format(key, value),
            )


def _flag(key: str, value: Any) -> Optional[bool]:
    if value is None:
        return None
    if value in (0, 1):
        return bool(value)
    raise refusal(
        TypeError,
        "{} must be True or False, got {!r}".format(key, value),
        help='for a text, write {}=text == "…"'.format(key),
    )


def _amount(key: str, unit: str, value: Any) -> Optional[float]:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise refusal(
            TypeError, "{} must be a number of {}, got {!r}".format(key, unit, value), help="write {}=2".format(key)
        )
    if not 0 < value < float("inf"):
        raise refusal(
            ValueError,
            "{} must be above 0 ({}), got {!r}".format(key, unit, value),
            help="leave it out for the default",
        )
    amount: float = value
    return amount
