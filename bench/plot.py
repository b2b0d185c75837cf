"""Plots with logarithmic axes as SVG text, for growth and roofline."""
import math

STYLE = ("text{font:11px sans-serif;fill:#333}.axis,.line,.guide{fill:none;stroke:#333}.line{stroke:#1f6fb2;"
         "stroke-width:2}circle{fill:#1f6fb2}.guide{stroke-dasharray:4 4}")


def text(x, y, words, anchor="middle"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def path(kind, points):
    return f'<path class="{kind}" d="M' + " L".join("%.1f %.1f" % p for p in points) + '"/>'


def dot(point):
    return '<circle cx="%.1f" cy="%.1f" r="3"/>' % point


class Axes:
    """A frame of pixels, left, top, right, bottom, and the values at its ends."""

    def __init__(self, frame, xs, ys):
        self.frame, self.xs, self.ys = frame, xs, ys

    def place(self, x, y):
        left, top, right, bottom = self.frame
        return (left + (right - left) * math.log(x / self.xs[0]) / math.log(self.xs[1] / self.xs[0]),
                bottom - (bottom - top) * math.log(y / self.ys[0]) / math.log(self.ys[1] / self.ys[0]))

    def lines(self):
        left, top, right, bottom = self.frame
        return path("axis", [(left, top), (left, bottom), (right, bottom)])


def write(file, width, height, parts):
    size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" {size}>', f"<style>{STYLE}</style>",
            '<rect width="100%" height="100%" fill="#fff"/>']
    with open(file, "w", encoding="utf-8") as f:
        f.write("\n".join(head + parts + ["</svg>", ""]))
