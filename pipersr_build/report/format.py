"""How numbers are written, in the report, the model card and the terminal alike."""

import math

NOT_MEASURED = "not measured"
NOT_RECORDED = "not recorded"

_MOST_DIGITS = 12


def count(value: float) -> str:
    """A whole number with thousands separators: `453,388`."""
    return f"{value:,.0f}"


def decibels(value: float, digits: int = 2) -> str:
    """A level in dB: `37.60 dB`."""
    return f"{_finite(value) or f'{value:,.{digits}f}'} dB"


def gain(value: float) -> str:
    """A difference of levels with its sign: `+3.93 dB`."""
    return f"{_finite(value) or f'{value:+.2f}'} dB".replace("-", "\u2212")


def ssim(value: float) -> str:
    """A structural similarity to four decimals."""
    return _finite(value) or f"{value:.4f}"


def scientific(value: float) -> str:
    """A small difference: `4.9e-04`, and plainly `0` where there is none."""
    return _finite(value) or ("0" if value == 0 else f"{value:.1e}")


def megabytes(size: int) -> str:
    """A size in decimal megabytes: `0.918 MB`, `12.40 MB`."""
    return f"{size / 1e6:,.{2 if size >= 1e6 else 3}f} MB"


def duration(seconds: float) -> str:
    """A time in the two largest units that matter: `8.4 s`, `12 min 30 s`, `3 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60:,} h {minutes % 60:02} min"


def short_hash(digest: str) -> str:
    """The first twelve digits of a digest or a commit, enough to tell two apart by eye."""
    return digest[:12]


def plain(value: object) -> str:
    """Any configuration value in words: `yes` for True, `none` for None, `1,234` for 1234."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        return _finite(value) or f"{value:,.6g}"
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(item) for item in value) or "none"
    return str(value)


def quantity(value: float, unit: str, *, against: float | None = None) -> str:
    """A value with its unit, for units known only at run time.

    Args:
        value: the number, in `unit`.
        unit: `dB`, `share` or `share of …` (written as percent), `bytes` (written in MB), `of …` and
            `[0, 1]` (written in scientific notation), or any other word, which is put after the number.
        against: the threshold the value is compared with. Digits are added until a value that
            differs from it also looks different: 59.998 dB is not `60.00 dB` if 60 dB was asked.
    """
    factor, shown = _shown(unit)
    limit = None if against is None else _scaled(against, factor)
    return with_unit(_number(_scaled(value, factor), shown, limit), shown)


def threshold(value: float, unit: str, direction: str) -> str:
    """A threshold with its sense: `≥ 40 dB`, `≤ 1.0e-03 of 1`."""
    sign = "≥" if direction == "at least" else "≤"
    factor, shown = _shown(unit)
    number = _scaled(value, factor)
    exact = shown.split(" ")[0] in ("dB", "%", "MB", "times")
    return f"{sign} {with_unit(f'{number:,.6g}' if exact else _number(number, shown, None), shown)}"


def _shown(unit: str) -> tuple[float, str]:
    """What a record's unit is multiplied by to be read, and the unit it is read in."""
    if unit == "bytes":
        return 1e-6, "MB"
    if unit == "share" or unit.startswith("share "):
        return 100.0, "%" + unit.removeprefix("share")
    return 1.0, unit


def _scaled(value: float, factor: float) -> float:
    """The product without its last binary digits: 0.57 · 100 is 57, not 56.99999999999999."""
    return value if factor == 1 else float(f"{value * factor:.12g}")


def with_unit(number: str, unit: str) -> str:
    """Number and unit; a unit that begins with a digit is bracketed: `1 (8-bit levels)`."""
    if not unit:
        return number
    if number == "1" and unit.split(" ")[0] == "levels":
        unit = unit.replace("levels", "level", 1)
    return f"{number} ({unit})" if unit[0].isdigit() else f"{number} {unit}"


def _number(value: float, unit: str, limit: float | None) -> str:
    special = _finite(value)
    if special:
        return special
    digits, kind = _style(value, unit)
    text = f"{value:,.{digits}{kind}}"
    while value != limit and digits < _MOST_DIGITS and limit == _back(text):
        digits += 1
        text = f"{value:,.{digits}{kind}}"
    return text.removesuffix(".0") if unit.startswith("%") else text


def _style(value: float, unit: str) -> tuple[int, str]:
    """Digits after the point and the format's letter for a number in `unit`."""
    fixed = {"dB": 2, "%": 1, "MB": 2, "times": 3}.get(unit.split(" ")[0])
    if fixed is not None:
        return fixed, "f"
    if value == int(value) and abs(value) < 1e15:
        return 0, "f"
    if abs(value) < 0.01 or unit.startswith(("[", "of ")):
        return 1, "e"
    return 2, "f"


def _back(text: str) -> float:
    return float(text.replace(",", ""))


def _finite(value: float) -> str:
    """Words for what has no digits, empty for a finite number."""
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "∞" if value > 0 else "\u2212∞"
    return ""
