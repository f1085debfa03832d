"""References to cite: the paper, the dataset, and the software."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mwlmc_data._version import __version__
from mwlmc_data.dataset.release import DATA_VERSION

# classic BibTeX sorts and abbreviates names correctly only if accents are TeX commands in braces
_TEX = str.maketrans(
    {
        "á": r"{\'a}",
        "é": r"{\'e}",
        "ë": r'{\"e}',
        "ö": r'{\"o}',
        "ń": r"{\'n}",
        "ñ": r"{\~n}",
        "&": r"\&",
    }
)


@dataclass(frozen=True)
class Citation:
    """One work to cite.

    Attributes
    ----------
    key : str
        BibTeX key.
    kind : str
        BibTeX entry type, such as ``article``.
    authors : tuple of str
        Names as "Family, Given", or a collective name. ``others`` at the end means "et al.".
    title : str
        Title in plain text.
    year : int
        Year of publication.
    where : str
        Journal, volume, pages or the like, as the plain-text citation shows them.
    fields : tuple of (str, str)
        Remaining BibTeX fields, in order.
    collective : bool
        Whether the authors are one body, whose name has no given and family part.
    """

    key: str
    kind: str
    authors: tuple[str, ...]
    title: str
    year: int
    where: str
    fields: tuple[tuple[str, str], ...]
    collective: bool = False

    def to_bibtex(self) -> str:
        """Write the reference as a BibTeX entry.

        Returns
        -------
        str
            The entry, without a trailing newline.
        """
        names = " and ".join(self.authors)
        # doubled braces keep a collective name together and preserve the capitals of a title
        lines = [
            ("author", f"{{{names}}}" if self.collective else names),
            ("title", f"{{{self.title}}}"),
            ("year", str(self.year)),
            *self.fields,
        ]
        body = ",\n".join(f"  {name} = {{{value.translate(_TEX)}}}" for name, value in lines)
        return f"@{self.kind}{{{self.key},\n{body}\n}}"

    def to_text(self) -> str:
        """Write the reference as one line of plain text.

        Returns
        -------
        str
            Authors, year, title and where it appeared.
        """
        names = "; ".join("et al." if name == "others" else name for name in self.authors)
        return f"{names} ({self.year}). {self.title}. {self.where}."


def make_article(
    key: str, authors: tuple[str, ...], title: str, year: int, journal: str, volume: str, pages: str, doi: str
) -> Citation:
    """Describe an article of a journal; pages are written with one hyphen."""
    fields = (("journal", journal), ("volume", volume), ("pages", pages.replace("-", "--")), ("doi", doi))
    return Citation(key, "article", authors, title, year, f"{journal} {volume}, {pages}. doi:{doi}", fields)


def make_preprint(key: str, authors: tuple[str, ...], title: str, year: int, eprint: str) -> Citation:
    """Describe a preprint of astro-ph.GA by its number at arXiv, without a version."""
    fields = (
        ("journal", "arXiv e-prints"),
        ("eprint", eprint),
        ("archivePrefix", "arXiv"),
        ("primaryClass", "astro-ph.GA"),
    )
    return Citation(key, "article", authors, title, year, f"arXiv:{eprint}", fields)


def _proceedings(
    key: str, authors: tuple[str, ...], title: str, year: int, book: str, pages: str, doi: str
) -> Citation:
    where = f"{book}, {pages}. doi:{doi}" if pages else f"{book}. doi:{doi}"
    numbers = (("pages", pages.replace("-", "--")),) if pages else ()
    return Citation(
        key, "inproceedings", authors, title, year, where, (("booktitle", book), *numbers, ("doi", doi))
    )


#: The paper whose simulations this project re-creates.
PAPER = make_preprint(
    "Brooks2025",
    (
        "Brooks, Richard A. N.",
        "Sanders, Jason L.",
        "Dillamore, Adam M.",
        "Garavito-Camargo, Nicolás",
        "Price-Whelan, Adrian M.",
    ),
    "A Simulation Based Inference Approach to the Dynamics of the MW-LMC System - Validation",
    2025,
    "2507.10667",
)

#: The software: arrays, numerics, kernels, tables, frames, loading and fetching (numpy, scipy, numba, pandas, astropy,
#: datasets, pooch), the reference implementation (agama), the estimators (sbi, torch), figures (matplotlib, corner).
SOFTWARE = (
    make_article(
        "Harris2020",
        ("Harris, Charles R.", "Millman, K. Jarrod", "van der Walt, Stéfan J.", "others"),
        "Array programming with NumPy",
        2020,
        "Nature",
        "585",
        "357-362",
        "10.1038/s41586-020-2649-2",
    ),
    make_article(
        "Virtanen2020",
        ("Virtanen, Pauli", "Gommers, Ralf", "Oliphant, Travis E.", "others"),
        "SciPy 1.0: fundamental algorithms for scientific computing in Python",
        2020,
        "Nature Methods",
        "17",
        "261-272",
        "10.1038/s41592-019-0686-2",
    ),
    _proceedings(
        "Lam2015",
        ("Lam, Siu Kwan", "Pitrou, Antoine", "Seibert, Stanley"),
        "Numba: a LLVM-based Python JIT compiler",
        2015,
        "Proceedings of the Second Workshop on the LLVM Compiler Infrastructure in HPC",
        "",
        "10.1145/2833157.2833162",
    ),
    _proceedings(
        "McKinney2010",
        ("McKinney, Wes",),
        "Data Structures for Statistical Computing in Python",
        2010,
        "Proceedings of the 9th Python in Science Conference",
        "56-61",
        "10.25080/Majora-92bf1922-00a",
    ),
    Citation(
        key="Astropy2022",
        kind="article",
        authors=("Astropy Collaboration",),
        title=(
            "The Astropy Project: Sustaining and Growing a Community-oriented Open-source Project "
            "and the Latest Major Release (v5.0) of the Core Package"
        ),
        year=2022,
        where="The Astrophysical Journal 935, 167. doi:10.3847/1538-4357/ac7c74",
        fields=(
            ("journal", "The Astrophysical Journal"),
            ("volume", "935"),
            ("pages", "167"),
            ("doi", "10.3847/1538-4357/ac7c74"),
        ),
        collective=True,
    ),
    _proceedings(
        "Lhoest2021",
        ("Lhoest, Quentin", "Villanova del Moral, Albert", "von Platen, Patrick", "others"),
        "Datasets: A Community Library for Natural Language Processing",
        2021,
        "Proceedings of the 2021 Conference on Empirical Methods in Natural Language Processing: System Demonstrations",
        "175-184",
        "10.18653/v1/2021.emnlp-demo.21",
    ),
    make_article(
        "Uieda2020",
        ("Uieda, Leonardo", "Soler, Santiago Rubén", "Rampin, Rémi", "others"),
        "Pooch: A friend to fetch your data files",
        2020,
        "Journal of Open Source Software",
        "5",
        "1943",
        "10.21105/joss.01943",
    ),
    make_article(
        "Vasiliev2019",
        ("Vasiliev, Eugene",),
        "AGAMA: action-based galaxy modelling architecture",
        2019,
        "Monthly Notices of the Royal Astronomical Society",
        "482",
        "1525-1544",
        "10.1093/mnras/sty2672",
    ),
    make_article(
        "Boelts2025",
        ("Boelts, Jan", "Deistler, Michael", "Gloeckler, Manuel", "others"),
        "sbi reloaded: a toolkit for simulation-based inference workflows",
        2025,
        "Journal of Open Source Software",
        "10",
        "7754",
        "10.21105/joss.07754",
    ),
    # The Journal of Machine Learning Research gives no DOIs.
    Citation(
        key="Pedregosa2011",
        kind="article",
        authors=("Pedregosa, Fabian", "Varoquaux, Gaël", "Gramfort, Alexandre", "others"),
        title="Scikit-learn: Machine Learning in Python",
        year=2011,
        where="Journal of Machine Learning Research 12, 2825-2830",
        fields=(("journal", "Journal of Machine Learning Research"), ("volume", "12"), ("pages", "2825--2830")),
    ),
    _proceedings(
        "Ansel2024",
        ("Ansel, Jason", "Yang, Edward", "He, Horace", "others"),
        "PyTorch 2: Faster Machine Learning Through Dynamic Python Bytecode Transformation and Graph Compilation",
        2024,
        "Proceedings of the 29th ACM International Conference on Architectural Support for Programming Languages and "
        "Operating Systems, Volume 2",
        "929-947",
        "10.1145/3620665.3640366",
    ),
    make_article(
        "Hunter2007",
        ("Hunter, John D.",),
        "Matplotlib: A 2D Graphics Environment",
        2007,
        "Computing in Science & Engineering",
        "9",
        "90-95",
        "10.1109/MCSE.2007.55",
    ),
    make_article(
        "ForemanMackey2016",
        ("Foreman-Mackey, Daniel",),
        "corner.py: Scatterplot matrices in Python",
        2016,
        "Journal of Open Source Software",
        "1",
        "24",
        "10.21105/joss.00024",
    ),
)

#: Where the machine-readable citation is.
POINTER = "To cite this work from a file for tools: CITATION.cff, in the repository and in every published folder."


def dataset() -> Citation:
    """Describe the dataset as a work to cite.

    Returns
    -------
    Citation
        With the versions of the data and the package. There is no DOI yet, so it carries none.
    """
    versions = f"Data version {DATA_VERSION}, package version {__version__}"
    return Citation(
        key="mwlmcdata",
        kind="misc",
        authors=("the mwlmc-data authors",),
        title="mwlmc-data: rigid Milky Way-LMC simulations and a benchmark for simulation-based inference",
        year=2026,
        where=versions,
        # BibTeX styles print `note`; biblatex reads `version`.
        fields=(("version", DATA_VERSION), ("note", versions)),
        collective=True,
    )


def references() -> tuple[Citation, ...]:
    """List all works to cite.

    Returns
    -------
    tuple of Citation
        The paper, the dataset with its version, and the software.
    """
    return (PAPER, dataset(), *SOFTWARE)


#: How a work is written, what stands between two, and what begins a remark.
_STYLES: dict[str, tuple[Callable[[Citation], str], str, str]] = {
    "bibtex": (Citation.to_bibtex, "\n\n", "% "),
    "text": (Citation.to_text, "\n", ""),
}


def cite(style: str = "bibtex") -> str:
    """Give the references to cite with results that use the data or the simulator.

    They are the paper (Brooks et al. 2025), the dataset with its version, and the software: what makes, loads and
    fetches the data (numpy, scipy, numba, pandas, astropy, datasets, pooch), the reference implementation that the
    simulator is checked against (agama), the estimators of the benchmark (sbi, torch), and the figures (matplotlib,
    corner). The dataset has no DOI yet, so its entry carries none. A last line says where CITATION.cff is.

    Parameters
    ----------
    style : {"bibtex", "text"}
        BibTeX entries, or one line of plain text per work.

    Returns
    -------
    str
        The references, without a trailing newline.

    Raises
    ------
    ValueError
        If `style` is unknown.

    Examples
    --------
    >>> import mwlmc_data as mw
    >>> print(mw.cite("text").splitlines()[0])  # doctest: +ELLIPSIS
    Brooks, Richard A. N.; Sanders, Jason L.; ...
    """
    if style not in _STYLES:
        allowed = ", ".join(repr(name) for name in _STYLES)
        raise ValueError(f"style = {style!r}: allowed is one of {allowed}")
    write, separator, remark = _STYLES[style]
    return separator.join([*(write(reference) for reference in references()), f"{remark}{POINTER}"])
