"""The code digest: changes with what the code does, never with how it is written down."""

from pathlib import Path

import pytest

from strainprint.digest import code_digest, reached_names
from strainprint.errors import BadInputError

SCRIPT = "from strainprint.shop import sell\n\nsell(2)\n"
FILES = {
    "__init__.py": '"""The package."""\n__version__ = "1"\n',
    "workflow.py": "from strainprint.other import thing\n",
    "other.py": "thing = 1\n",
    "shop.py": (
        '"""Sells."""\nfrom functools import cache\nfrom typing import TYPE_CHECKING\n\n'
        "from strainprint.stock.shelf import Shelf, give_back\n\n"
        "if TYPE_CHECKING:\n    from strainprint.other import thing\n\n\n"
        'def sell(n):\n    """Sell n."""\n    return Shelf().take(n)\n\n\n'
        "@cache\ndef buy(n):\n    return give_back(n)\n"
    ),
    "stock/__init__.py": '"""Stock."""\n',
    "stock/shelf.py": (
        "from strainprint.stock import prices, registry\n\n"
        'class Shelf:\n    size: int = 3\n    """Its size."""\n\n'
        "    def take(self, n):\n        return prices.price * n\n\n\n"
        "def give_back(n):\n    return prices.refund - n\n\n\n"
        "@registry.register\ndef clean():\n    return 1\n"
    ),
    "stock/prices.py": "price = 3  # each\nrefund = 2\n",
    "stock/registry.py": "known = []\n\n\ndef register(f):\n    known.append(f)\n    return f\n",
    "stock/label.css": "p {}\n",
}


@pytest.fixture
def code(tmp_path):
    package = tmp_path / "strainprint"
    for name, text in FILES.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    return script, package


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_names_are_followed_through_modules_but_not_type_checking(code):
    reached = reached_names(*code)
    assert set(reached) == {
        f"strainprint.{name}"
        for name in ("shop", "stock", "stock.shelf", "stock.prices", "stock.registry")
    }
    assert reached["strainprint.shop"] == {"", "sell"}
    assert reached["strainprint.stock.prices"] == {"", "price"}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("stock/prices.py", "  # each", ""),
        ("stock/prices.py", "price = 3", "\n\nprice = (3)"),
        ("shop.py", "Sell n.", "Sell n things."),
        ("shop.py", '"""Sells."""', '"""Sells things."""'),
        ("stock/shelf.py", "Its size.", "How many it holds."),
        ("stock/prices.py", "refund = 2", "refund = 1"),
        ("stock/shelf.py", "prices.refund - n", "prices.refund - n - 1"),
        ("shop.py", "return give_back(n)", "return give_back(n + 1)"),
        ("other.py", "1", "2"),
        ("workflow.py", "thing", "thing as that"),
        ("__init__.py", '"1"', '"2"'),
    ],
)
def test_comments_docstrings_layout_and_unused_code_change_nothing(code, name, old, new):
    before = code_digest(*code)
    edit(code[1] / name, old, new)
    assert code_digest(*code) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("stock/prices.py", "3", "4"),
        ("stock/shelf.py", "prices.price * n", "n * prices.price"),
        ("stock/shelf.py", "size: int = 3", "size: int = 4"),
        ("stock/shelf.py", "return 1", "return 2"),
        ("stock/registry.py", "known.append(f)", "known.insert(0, f)"),
        ("shop.py", "take(n)", "take(n + 1)"),
        ("stock/label.css", "p {}", "p {color: red}"),
    ],
)
def test_a_real_change_however_deep_changes_the_digest(code, name, old, new):
    before = code_digest(*code)
    edit(code[1] / name, old, new)
    assert code_digest(*code) != before


def test_what_runs_on_import_counts_even_where_nothing_is_used_of_it(code):
    before = code_digest(*code)
    with open(code[1] / "stock/registry.py", "a") as handle:
        handle.write("\nknown.append(print)\n")
    assert code_digest(*code) != before


def test_a_module_used_as_a_value_counts_as_a_whole(code):
    edit(code[1] / "stock/shelf.py", "prices.price * n", "vars(prices)['price'] * n")
    before = code_digest(*code)
    edit(code[1] / "stock/prices.py", "refund = 2", "refund = 1")
    assert code_digest(*code) != before


def test_an_import_inside_a_function_is_followed(code):
    edit(
        code[1] / "shop.py",
        "    return Shelf().take(n)",
        "    from strainprint.other import thing\n\n    return thing",
    )
    before = code_digest(*code)
    edit(code[1] / "other.py", "1", "2")
    assert code_digest(*code) != before


def test_a_change_of_the_script_changes_the_digest(code):
    before = code_digest(*code)
    edit(code[0], "sell(2)", "sell(3)")
    assert code_digest(*code) != before


def test_another_function_of_another_library_under_the_same_name_counts(code):
    text = (code[1] / "stock/prices.py").read_text()
    (code[1] / "stock/prices.py").write_text(
        "from math import floor as part, pi\n" + text.replace("price = 3", "price = part(3.5)")
    )
    before = code_digest(*code)
    edit(code[1] / "stock/prices.py", ", pi", ", e, pi")
    assert code_digest(*code) == before
    edit(code[1] / "stock/prices.py", "floor as part", "ceil as part")
    assert code_digest(*code) != before


def test_the_order_in_which_a_script_does_things_counts(code):
    code[0].write_text(SCRIPT + "print(1)\nprint(2)\n")
    before = code_digest(*code)
    edit(code[0], "print(1)\nprint(2)", "print(2)\nprint(1)")
    assert code_digest(*code) != before


def test_a_string_that_is_no_docstring_counts(code):
    edit(code[1] / "stock/prices.py", "price = 3", 'price = "three"')
    before = code_digest(*code)
    edit(code[1] / "stock/prices.py", '"three"', '"four"')
    assert code_digest(*code) != before


def test_the_place_of_the_checkout_does_not_count(code, tmp_path):
    before = code_digest(*code)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for path in code:
        path.rename(moved / path.name)
    assert code_digest(moved / "script.py", moved / "strainprint") == before


def test_relative_imports_are_refused_rather_than_missed(code):
    edit(code[1] / "shop.py", "from strainprint.stock.shelf", "from .stock.shelf")
    with pytest.raises(BadInputError, match="absolute imports of names only"):
        code_digest(*code)


def test_star_imports_are_refused_rather_than_missed(code):
    edit(code[1] / "shop.py", "import Shelf, give_back", "import *")
    with pytest.raises(BadInputError, match="absolute imports of names only"):
        code_digest(*code)


def test_package_files_hold_no_code_so_that_importing_one_runs_nothing():
    import ast

    import strainprint

    root = Path(strainprint.__file__).parent
    for file in root.rglob("__init__.py"):
        body = ast.parse(file.read_text()).body
        assert len(body) == 1 or file.parent == root, f"{file} holds more than a docstring"
