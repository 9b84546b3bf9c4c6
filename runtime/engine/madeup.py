"""Names for containers that nobody has named: a mood and somebody who found something out."""

from __future__ import annotations

import os

_MOODS = """
able agile alert amused awake bold brave bright brisk busy calm candid careful cheerful clever cosy curious daring
dazzling eager earnest easy elated elegant epic fair fearless festive fluent fond frank friendly funny gallant gentle
gifted glad graceful grand happy hardy hopeful humble jolly jovial keen kind lively loving loyal lucid lucky mellow
merry modest musing neat nice nifty nimble noble patient peaceful pensive playful polite proud quick quiet quirky
relaxed sane serene sharp sincere sleepy smart sober steady sunny sweet tender thirsty trusting upbeat vibrant
vigilant warm wise witty wonderful youthful zealous zen
"""

_PEOPLE = """
abel agnesi albattani alhazen almeida ampere anning archimedes aryabhata avogadro babbage banach bardeen bartik
bassi becquerel bell bernoulli bhabha blackwell bohr boole bose boyd brahmagupta brattain brown buck burnell cannon
carson cartwright cauchy cerf chandrasekhar chaplygin chatelet chebyshev clarke cohen colden conway cori cray curie
curran darwin davinci dewdney dhawan diffie dijkstra dirac dubinsky easley edison einstein elbakyan elgamal elion
ellis engelbart euclid euler faraday feistel fermat fermi feynman franklin gagarin galileo galois gates gauss germain
goldberg goldstine goldwasser golick goodall gould greider grothendieck haibt hamilton haslett hawking heisenberg
hellman hermann herschel hertz heyrovsky hodgkin hofstadter hoover hopper hugle hypatia ishizaka jackson jang jemison
jennings jepsen johnson joliot jones kalam kapitsa kare keldysh keller kepler khayyam khorana kilby kirch knuth
kovalevskaya lagrange lamarr lamport leakey leavitt lederberg lehmann lewin lichterman liskov lovelace lumiere
mahavira margulis matsumoto maxwell mayer mccarthy mcclintock mclaren mclean mcnulty meitner mendel mendeleev meninsky
merkle mestorf mirzakhani montalcini moore morse moser murdock napier nash neumann newton nightingale nobel noether
northcutt noyce panini pare pascal pasteur payne perlman pike poincare poitras proskuriakova ptolemy raman ramanujan
rhodes ride ritchie robinson roentgen rosalind rubin saha sammet sanderson satoshi shamir shannon shaw shirley
shockley shtern sinoussi snyder solomon spence stonebraker sutherland swanson swartz swirles taussig tesla tharp
thompson torvalds tu turing varahamihira vaughan villani visvesvaraya volhard wescoff wilbur wiles williams williamson
wilson wing wozniak wright wu yalow yonath zhukovsky
"""


def made_up_name() -> str:
    """``happy_tesla``; somebody may have it already."""
    return f"{_one_of(_MOODS)}_{_one_of(_PEOPLE)}"


def _one_of(text: str) -> str:
    words = text.split()
    return words[int.from_bytes(os.urandom(4), "little") % len(words)]
