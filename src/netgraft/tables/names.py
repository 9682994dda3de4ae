"""Whether the name of a column of integers says that they name something (a cell, a channel) rather than count it."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NAMING = """
id ident identifier code codes channel chan cell cellid enb enodeb gnb gnodeb bs bts site sector band earfcn arfcn
nrarfcn uarfcn pci psc bsic tac lac rac mcc mnc plmn imsi imei msisdn rnti vlan asn port protocol proto sst qci fiveqi
slice beam zip zipcode postcode postal zone region area state country city county district station device phone node
link type class category cat kind label group cluster model mode
"""
_COUNTING = """
n num count counts cnt total sum mean avg average median min max std var rate ratio pct percent share size length width
height duration delay age time seconds
"""
_PLAIN = """
acid arid avoid covid fluid forbid grid hybrid humid lipid liquid paid plaid pyramid raid rapid said skid solid squid
timid valid vivid void invalid
"""
#: Words in the name of a code.
NAMING = frozenset(_NAMING.split())
#: Words that say the integers are a quantity whatever else the name says.
COUNTING = frozenset(_COUNTING.split())
#: Whole words that end in "id" without naming anything.
PLAIN = frozenset(_PLAIN.split())
#: Words that make a unique integer a row identifier even if it is not in order.
IDENTIFYING = frozenset({"id", "ident", "identifier", "index", "idx", "uuid", "guid", "rowid", "key"})
#: Words for points in time.
TIMING = frozenset({"time", "timestamp", "ts", "date", "datetime", "epoch", "when"})


def words(name: str) -> list[str]:
    """Return the lower-case words of a name.

    >>> words("CellID"), words("dst_host_count"), words("PHONEID")
    (['cell', 'id'], ['dst', 'host', 'count'], ['phone', 'id'])
    """
    found = []
    for word in _WORD.findall(name):
        low = word.lower()
        if low.endswith("id") and len(low) > 3 and low not in PLAIN:
            found += [low[:-2], "id"]
        else:
            found.append(low)
    return found


def names_code(name: str) -> bool:
    """Return whether the name says that integers are codes.

    >>> names_code("RAWCELLID"), names_code("n_cells"), names_code("cell_count"), names_code("DRUG_TEST_TYPE_(2_of_3)")
    (True, False, False, True)
    """
    return bool(set(words(name)) & NAMING) and not counts_something(name)


def counts_something(name: str) -> bool:
    """Return whether the name says that integers are a quantity.

    >>> counts_something("num_shells"), counts_something("channel")
    (True, False)
    """
    return bool(set(words(name)) & COUNTING)


def names_row(name: str) -> bool:
    """Return whether the name says that integers tell rows apart."""
    return bool(set(words(name)) & IDENTIFYING)


def names_time(name: str) -> bool:
    """Return whether the name says that integers are points in time."""
    return bool(set(words(name)) & TIMING)
