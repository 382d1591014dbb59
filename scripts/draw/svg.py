"""What the pictures are made of: boxes, arrows and words, as SVG. Only the standard library."""

from xml.sax.saxutils import escape

FONT = "DejaVu Sans, Verdana, sans-serif"
INK, GREY, PALE = "#1f2933", "#7b8794", "#f5f7fa"
BLUE, GREEN, ORANGE, RED = "#2b6cb0", "#2f855a", "#c05621", "#c53030"


class Picture:
    """Coordinates in pixels, from the top left corner."""

    def __init__(self, width, height, title):
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" font-family="{FONT}" role="img">',
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" fill="white"/>']

    def box(self, x, y, width, height, fill=PALE, line=GREY, dashed=False):
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        self._parts.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" '
                           f'fill="{fill}" stroke="{line}"{dashes}/>')

    def bar(self, x, y, width, height, fill):
        self._parts.append(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" '
                           f'fill="{fill}"/>')

    def text(self, x, y, words, size=13, colour=INK, anchor="middle", bold=False):
        weight = ' font-weight="bold"' if bold else ""
        self._parts.append(f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{colour}" '
                           f'text-anchor="{anchor}"{weight}>{escape(words)}</text>')

    def line(self, points, colour=INK, width=2, dashed=False):
        dashes = ' stroke-dasharray="5 4"' if dashed else ""
        path = " ".join(f"{x:g},{y:g}" for x, y in points)
        self._parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" '
                           f'stroke-width="{width}"{dashes}/>')

    def arrow(self, points, colour=INK, width=2, dashed=False):
        """Along horizontal and vertical pieces; the head is at the last point."""
        self.line(points, colour, width, dashed)
        (from_x, from_y), (x, y) = points[-2:]
        back_x, back_y = (x > from_x) - (x < from_x), (y > from_y) - (y < from_y)
        left = (x - 9 * back_x + 5 * back_y, y - 9 * back_y + 5 * back_x)
        right = (x - 9 * back_x - 5 * back_y, y - 9 * back_y - 5 * back_x)
        corners = " ".join(f"{a:g},{b:g}" for a, b in ((x, y), left, right))
        self._parts.append(f'<polygon points="{corners}" fill="{colour}"/>')

    def __str__(self):
        return "\n".join([*self._parts, "</svg>"]) + "\n"
