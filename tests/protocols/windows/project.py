"""What a person does in the window of a project."""

from contextlib import suppress
from functools import partial

from pyworkflow.gui.project.constants import ACTION_TREE

from tests.protocols.windows.classes import choose_classes
from tests.protocols.windows.figures import look_at_tabs
from tests.protocols.windows.forms import fill_form, look_at_form
from tests.protocols.windows.micrographs import look_at_boxes
from tests.protocols.windows.particles import turn_pages
from tests.protocols.windows.questions import view_of
from tests.viewers.windows import cut_texts, overlapping_texts

EDIT = "Edit a copy by hand..."


class User:
    """Follows a plan in a window, and tells of everything that opens.

    Parameters
    ----------
    driver : Driver
    acts : bool
        False to look only: nothing is made that the project would keep.
    """

    def __init__(self, driver, acts=True):
        self.driver, self.window, self.acts = driver, driver.window, acts
        self.project = self.window.project

    @property
    def board(self):
        return self.window.getViewWidget()

    def follow(self, plan):
        """All steps of a plan."""
        yield "the project", None, self.board.runsGraphCanvas.winfo_viewable
        self.driver.photograph("project")
        for run, name in plan.get("looks", []):  # before there are runs that the windows make
            yield from look_at_form(self, run, name)
        for run in plan["analyze"]:
            yield from self.analyze(run)
        for place, (run, output, entry) in enumerate(plan["open_with"], 1):
            yield from self.open_with(run, output, entry, place)
        for run in plan.get("summaries", []):
            yield from self.read_summary(run)
        for run, link in plan.get("links", []):
            yield from self.follow_link(run, link)
        for kind, run in plan.get("forms", {}).items():
            yield from fill_form(self, run, kind)
        for run in plan.get("left_open", []):
            yield from self.analyze(run, closes=False)

    def select(self, run):
        """Click on the box of a run."""

        organize = partial(self.driver.click, self.board.viewButtons[ACTION_TREE])
        if self._is_covered(run):
            yield f"run {run} to be seen", organize, lambda: not self._is_covered(run)

        def click():
            canvas = self.board.runsGraphCanvas
            node = self.board.runsGraph.getNode(str(run))
            canvas.moveTo(node.x, node.y)
            x, y = node.item.x - canvas.canvasx(0), node.item.y - canvas.canvasy(0)
            self.driver.click(canvas, x, y)

        def is_selected():
            chosen = self.board.getSelectedProtocol()
            return chosen is not None and chosen.getObjId() == run

        yield f"run {run} to be chosen", click, is_selected

    def _is_covered(self, run):
        """Whether another box lies on that of a run; Scipion may put a new one there."""
        canvas, graph = self.board.runsGraphCanvas, self.board.runsGraph
        mine = graph.getNode(str(run)).item
        others = (node.item for node in graph.getNodes() if node.item is not mine)
        sides = (canvas.bbox(one.id) for one in others)
        return any(a <= mine.x <= c and b <= mine.y <= d for a, b, c, d in sides)

    def analyze(self, run, closes=True):
        """Choose a run and press "Analyze results"."""
        yield from self.select(run)
        press = partial(self.driver.click, self.board.btnAnalyze)
        protocol = self.project.getProtocol(run)
        name = protocol.getClassName()
        yield from self.look(press, name, {"run": run, "class": name}, closes)

    def open_with(self, run, output, entry, place):
        """Choose a viewer in the menu of an output."""
        yield from self.select(run)
        tree = self.board.infoTree
        wanted = getattr(self.project.getProtocol(run), output).getObjId()

        def post_menu():
            row = next(key for key, one in tree._objDict.items() if one.getObjId() == wanted)
            tree.see(row)
            tree.update_idletasks()
            left, top, _, height = tree.bbox(row)
            self.driver.click(tree, left + 40, top + height / 2, button=3)

        yield "the menu of the output", post_menu, lambda: tree.menu.index("end") is not None
        entries = [tree.menu.entrycget(i, "label") for i in range(tree.menu.index("end") + 1)]
        self.driver.photograph(f"menu_{place}")

        def choose():
            tree._unpostMenu()
            tree.menu.invoke(entries.index(entry))

        told = {"run": run, "output": output, "menu": entries}
        yield from self.look(choose, f"open_with_{place}", told)

    def read_summary(self, run):
        """What the window says of a run that is chosen."""
        yield from self.select(run)
        text = self.board.summaryText
        yield "its summary", None, lambda: text.getText().strip()
        told = self.driver.state.setdefault("summaries", {})
        told[str(run)] = text.getText().splitlines()

    def follow_link(self, run, link):
        """Click on a link in the summary of a run, which opens a window."""
        yield from self.select(run)
        text = self.board.summaryText
        yield "the link", None, lambda: text.search(link, "1.0")

        def click():
            at = text.search(link, "1.0")
            text.see(at)
            text.update_idletasks()
            left, top, width, height = text.bbox(f"{at}+1c")
            x, y = left + width // 2, top + height // 2
            text.event_generate("<Enter>", x=x, y=y)
            text.event_generate("<Motion>", x=x, y=y)
            self.driver.click(text, x, y)

        yield from self.look(click, f"link_{link.replace(' ', '_')}", {"run": run, "link": link})

    def look(self, action, name, told, closes=True):
        """At the window that an action opens, and all that is in it."""
        known = self.driver.windows()
        yield f"a window for {name}", action, lambda: len(self.driver.new(known)) == 1
        (opened,) = self.driver.new(known)
        view = view_of(opened)
        yield f"the contents of {name}", None, lambda: getattr(view, "is_ready", True)
        told.update(title=opened.title(), view=type(view).__name__)
        self.driver.state["opened"].append(told)
        if hasattr(view, "show_members"):
            yield from choose_classes(self, view, told)
        if hasattr(view, "tabs"):
            yield from look_at_tabs(self, view, name, told)
        elif hasattr(view, "picture"):
            yield from look_at_boxes(self, view, name, told)
        elif type(view).__name__ == "ParticlesWindow":
            yield from turn_pages(self, view, name, told)
        told["first shown"] = self.driver.shown_in(opened)
        for button in getattr(view, "more_buttons", []):
            if button["text"] == EDIT and not (self.acts and told.get("class") == EDITED):
                continue  # each makes a run
            inner = told.setdefault("more", {})[button["text"]] = {}
            press = partial(self.driver.click, button)
            yield from self.look_inside(press, f"{name}_more", inner)
        self.check_texts(opened, told)
        told["windows"] = len(self.driver.new(known))
        if closes:
            self.driver.close(opened)
            yield f"the window of {name} to go", None, lambda: not self.driver.new(known)

    def look_inside(self, action, name, told):
        """At a window that a window opens; it is reported within the other."""
        yield from self.look(action, name, told)
        self.driver.state["opened"].remove(told)

    @staticmethod
    def check_texts(window, told):
        """Tell of texts that cannot be read."""
        with suppress(AttributeError):
            window.update_idletasks()
        told.setdefault("cut", []).extend(cut_texts(window))
        told.setdefault("overlapping", []).extend(overlapping_texts(window))


EDITED = "ProtRepicConsensus"  # the run whose copy is edited by hand
