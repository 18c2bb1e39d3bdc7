"""The words of tag lists, English and German: headings, types, directions, units, truth; pure."""

from __future__ import annotations

import re
import unicodedata

from gateway.field.types import TYPES

_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_BRACKET = re.compile(r"[\[(]([^\])]*)[\])]")


def plain(text: str) -> str:
    """A heading or word for comparison: small letters and digits only, umlauts written out."""
    folded = unicodedata.normalize("NFC", text).casefold().translate(_UMLAUTS)
    return "".join(char for char in folded if char.isalnum())


# Field -> its headings, the surest first: where two columns could be a field, the surer one is it.
HEADINGS: dict[str, list[str]] = {
    field: words.split()
    for field, words in {
        "name": """
            name tagname symbolname symbolicname symbolischername signalname variablename variablenname
            varname runtimename itemname tag symbol signal variable plctag plcvariable plctagname bezeichner
            identifier ioname
            signalbezeichnung item id kennung bmk betriebsmittelkennzeichen betriebsmittel kennzeichen
            kennzeichnung tagno tagnumber tagnr messstelle point pointname label bezeichnung designation""",
        "title": "title titel",
        "comment": """
            comment kommentar description beschreibung funktionstext functiontext signaltext
            klartext bemerkung
            remark remarks text funktion function anmerkung notes note bezeichnung designation hinweis""",
        "type": """
            datatype datentyp type typ datatypename vartype variablentyp dtype format signaltype signaltyp
            signalart iotype iotyp eatyp art kind""",
        "address": """
            logicaladdress logischeadresse address adresse addr absoluteaddress absolutadresse absoluteadresse
            plcaddress spsadresse plcadresse ioaddress eaadresse nodeid opcuanodeid opcnodeid modbusaddress
            modbusadresse registeraddress registeradresse operand dbadresse knoten node nodename register
            eaadr adr""",
        "area": """
            registertype registertyp registerart functioncode funktionscode fc modbustable objecttype
            objekttyp area speicherbereich tabelle""",
        "direction": "direction richtung io ea inout inputoutput eingangausgang einausgang",
        "unit": """
            unit einheit units einheiten uom engineeringunit engunit engunits eu
            physikalischeeinheit physeinheit
            masseinheit dimension""",
        "range": """
            range messbereich wertebereich measuringrange valuerange bereich span limits grenzen skalierung
            scaling""",
        "low": """
            min minimum low lowerlimit untergrenze rangemin rangelow minwert minvalue
            bereichvon messbereichvon
            von from mba messbereichanfang eulow eumin scaledlow scaledmin engmin englow""",
        "high": """
            max maximum high upperlimit obergrenze rangemax rangehigh maxwert maxvalue
            bereichbis messbereichbis
            bis to mbe messbereichende euhigh eumax scaledhigh scaledmax engmax enghigh""",
        "raw-low": "rawlow rawmin rawminimum rohwertmin rohmin rohvon",
        "raw-high": "rawhigh rawmax rawmaximum rohwertmax rohmax rohbis",
        "raw": "raw rawrange rohbereich rohwert rohwerte rawvalues rawvalue",
        "safe": """
            safe safevalue safestate sichererwert sichererzustand sicher failsafe failsafevalue ersatzwert
            substitutevalue""",
        "order": "order byteorder wordorder bytereihenfolge wortreihenfolge",
        "scale": "scale scalefactor skalierungsfaktor",
        "offset": "offset",
        "table": "table",
        "hold": "hold",
        "formula": "formula",
        "inverse": "inverse",
        "verify": "verify",
        "real": "real",
        "tolerance": "tolerance",
        "safety": "safety",
        "observer": "observer",
        "jog": "jog",
        "device": "device geraet",
        "access": """
            access zugriff accesslevel clientaccess accessright accessrights zugriffsrecht readwrite rw""",
        "path": "path pfad tagtable variablentabelle group gruppe",
    }.items()
}
_SURENESS: dict[str, dict[str, int]] = {}
for _field, _words in HEADINGS.items():
    for _rank, _word in enumerate(_words):
        _SURENESS.setdefault(_word, {})[_field] = _rank


def _one_of(field: str, text: str) -> bool:
    """Whether one word of a heading is a field's."""
    return any(word in HEADINGS[field] for word in map(plain, re.split(r"[\s/_.,:;-]+", text)))


def headings(cells: dict[int, str]) -> tuple[dict[str, int], dict[int, str]]:
    """Which column holds which field: (field -> column, column -> unit in its brackets).

    ``cells`` are the texts of one row by column. A column holds one field, a field one column.
    """
    units: dict[int, str] = {}
    offers: dict[str, list[tuple[int, int]]] = {}
    for column, text in cells.items():
        if bracket := _BRACKET.search(text):
            units[column] = bracket[1].strip()
        known = _SURENESS.get(plain(text)) or _SURENESS.get(plain(_BRACKET.sub("", text))) or {}
        for field, rank in known.items():
            offers.setdefault(field, []).append((rank, column))
    fields: dict[str, int] = {}
    for field in HEADINGS:  # a name is wanted most, and gets what could be a comment where it must
        free = [column for _, column in sorted(offers.get(field, [])) if column not in fields.values()]
        if free:
            fields[field] = free[0]
    for field in ("name", "address"):  # without which there is no list: "SPS-Adresse neu", "Signal (PLC)"
        free = [
            column for column, text in cells.items() if column not in fields.values() and _one_of(field, text)
        ]
        if field not in fields and free:
            fields[field] = free[0]
    if "scale" not in fields:
        fields.pop("offset", None)  # in lists of blocks, a place in the block
    return fields, units


def _table(*lines: tuple[str, str]) -> dict[str, str]:
    """Each word of a line's second text -> the line's first."""
    return {word: meaning for meaning, words in lines for word in words.split()}


_TYPE_WORDS = {name.casefold(): name for name in TYPES} | _table(
    ("BOOL", "boolean bit digital binaer binary"),
    ("SINT", "sbyte int8"),
    ("USINT", "uint8"),
    ("INT", "int16 integer short"),
    ("UINT", "uint16 ushort"),
    ("DINT", "int32"),
    ("UDINT", "uint32"),
    ("REAL", "float float32 single"),
    ("LREAL", "double float64 longreal"),
)

# "DI" in a column of types is a type and a direction; an analog one is as wide as its address.
SIGNAL_KINDS: dict[str, tuple[str, str]] = {
    word: (kind, direction)
    for kind, direction, words in (
        ("BOOL", "input", "di de digitalinput digitaleingang digitalerinput digitalereingang"),
        ("BOOL", "output", "do da digitaloutput digitalausgang digitalerausgang"),
        ("INT", "input", "ai ae analoginput analogeingang analogereingang"),
        ("INT", "output", "ao aa analogoutput analogausgang analogerausgang"),
        ("INT", "", "analog"),
    )
    for word in words.split()
}

DIRECTIONS = _table(
    ("input", "input inputs in i e eingang eingaenge digitalinputs digitaleingaenge digitaleeingaenge"),
    ("input", "analoginputs analogeingaenge analogeeingaenge"),
    ("output", "output outputs out o q a ausgang ausgaenge digitaloutputs digitalausgaenge"),
    ("output", "digitaleausgaenge analogoutputs analogausgaenge analogeausgaenge"),
) | {word: direction for word, (_, direction) in SIGNAL_KINDS.items() if direction}

# What a client may do with a variable; "read only" is an output, what may be written an input.
ACCESS = _table(
    ("read", "read r ro readonly lesen nurlesen l"),
    ("write", "readwrite rw wr write w wo writeonly readandwrite lesenschreiben lesenundschreiben schreiben"),
    ("none", "none no keine keiner void"),
)

TRUTHS: dict[str, bool] = {
    **dict.fromkeys(["true", "yes", "ja", "on", "ein", "1", "wahr", "high"], True),
    **dict.fromkeys(["false", "no", "nein", "off", "aus", "0", "falsch", "low"], False),
}

# Units as people write them; ours are written as they are.
UNIT_WORDS = {"": "1", "grad c": "Cel", "deg c": "Cel", "n m": "N.m"} | _table(
    ("1", "- -- stk stück pcs"),
    ("%", "prozent percent"),
    ("Cel", "°c ºc ℃ celsius degc"),
    ("N.m", "nm n·m n*m"),
    ("N.mm", "nmm n·mm"),
    ("/min", "rpm 1/min u/min min-1 min⁻¹ min^-1 upm"),
    ("m/s2", "m/s² m/s^2"),
    ("mm/s2", "mm/s² mm/s^2"),
    ("deg", "° grad"),
    ("deg/s", "°/s"),
    ("s", "sec sek sekunden"),
    ("ms", "msec"),
    ("us", "µs μs"),
    ("min", "min."),
    ("h", "std"),
    ("L", "l"),
    ("mL", "ml"),
    ("L/min", "l/min"),
    ("mL/s", "ml/s"),
    ("V", "volt"),
    ("A", "ampere"),
)


def type_name(text: str) -> str:
    """The tag type behind a word such as ``Bool`` or ``Int16``; "" where it is none."""
    return _TYPE_WORDS.get(plain(text), "")
