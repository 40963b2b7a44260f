"""The rival of the terminal's benchmark: the least Textual app there is, a tree of the labels given.

``python -P bare_tree.py FILE``: FILE holds JSON rows ``[depth, label, open]`` in the order of the screen.
"""

import json
import sys
from pathlib import Path

from textual.app import App, ComposeResult
from textual.widgets import Tree


class BareTree(App[None]):
    def compose(self) -> ComposeResult:
        tree: Tree[None] = Tree("Plan")
        tree.root.expand()
        open_nodes = [tree.root]
        for depth, label, expanded in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
            del open_nodes[depth + 1 :]
            above = open_nodes[-1]
            open_nodes.append(above.add(label, expand=True) if expanded else above.add_leaf(label))
        yield tree


if __name__ == "__main__":
    BareTree().run()
