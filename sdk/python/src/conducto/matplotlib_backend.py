"""A backend for matplotlib: `show()` saves changed figures as pipeline data and prints Markdown that shows them."""

import io
import uuid
from typing import Any

from matplotlib._pylab_helpers import Gcf  # type: ignore[import-not-found, unused-ignore]
from matplotlib.backends.backend_agg import FigureCanvasAgg  # type: ignore[import-not-found, unused-ignore]

from . import data, nb

FigureCanvas = FigureCanvasAgg


def show(*arguments: Any, **keywords: Any) -> None:
    """Shows all figures that were drawn on since they were shown last."""
    for manager in Gcf.get_all_fig_managers():
        figure = manager.canvas.figure
        if not figure.stale:
            continue
        name = ".mpl_plots/{}.png".format(uuid.uuid4())
        image = io.BytesIO()
        figure.savefig(image, format="png")
        figure.stale = False
        data.pipeline.puts(name, image.getvalue())
        nb.show_image(data.pipeline.url(name))
