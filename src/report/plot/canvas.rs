//! SVG by plotters, whose colours, fonts and widths are fixed values, as SVG that a style sheet
//! decides on: what is drawn gets a class, and nothing else of its looks. Everything is drawn in
//! tenths of a pixel, since plotters counts in whole ones.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::markup;

/// A pixel.
pub(super) const PIXEL: i32 = 10;

/// For which page a picture is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Wide,
    Narrow,
}

impl Width {
    pub(super) const BOTH: [Width; 2] = [Width::Wide, Width::Narrow];

    /// Of the whole picture, in tenths of a pixel.
    pub(super) fn units(self) -> i32 {
        match self {
            Width::Wide => 960 * PIXEL,
            Width::Narrow => 340 * PIXEL,
        }
    }

    /// Which of two values, for this width.
    pub(super) fn pick<T>(self, wide: T, narrow: T) -> T {
        match self {
            Width::Wide => wide,
            Width::Narrow => narrow,
        }
    }

    fn class(self) -> &'static str {
        self.pick("plot-wide", "plot-narrow")
    }
}

/// How large letters are: the style sheet says the same.
pub(super) const LETTER: i32 = 13 * PIXEL;

/// At most so wide is a text, whatever the page's font.
pub(super) fn text_width(text: &str) -> i32 {
    let letters = i32::try_from(text.chars().count()).unwrap_or(i32::MAX / LETTER);
    letters.saturating_mul(LETTER * 64 / 100)
}

/// Where the axes stand in the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) left: i32,
    pub(super) right: i32,
    pub(super) top: i32,
    /// Of the plot, below zero where something is negative.
    pub(super) bottom: i32,
    /// Where the vertical axis is 0.
    pub(super) zero: i32,
}

impl Frame {
    /// For a picture whose vertical labels are these, with `below` under the axis.
    pub(super) fn new(width: Width, height: i32, labels: &[String]) -> Frame {
        let widest = labels.iter().map(|label| text_width(label)).max();
        let bottom = 28 * PIXEL + height;
        Frame {
            left: (widest.unwrap_or(0) + 10 * PIXEL).max(52 * PIXEL),
            right: width.units() - 24 * PIXEL,
            top: 28 * PIXEL,
            bottom,
            zero: bottom,
        }
    }

    /// What a script needs to draw anew.
    fn attribute(&self) -> String {
        let Frame {
            left,
            right,
            top,
            bottom,
            zero,
        } = self;
        format!(" data-frame=\"{left} {right} {top} {bottom} {zero}\"")
    }
}

type Root<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Plane = Cartesian2d<RangedCoordf64, RangedCoordf64>;

/// What draws. Writing into a text cannot fail, and so the results of drawing are let go.
pub(super) struct Pen<'a> {
    root: Root<'a>,
    classes: Vec<String>,
}

/// A picture of so many tenths of a pixel, with what it says to those who do not see it.
pub(super) fn svg(
    width: Width,
    height: i32,
    frame: &Frame,
    title: &str,
    draw: impl FnOnce(&mut Pen<'_>),
) -> String {
    let units = width.units();
    let size = (units.unsigned_abs(), height.unsigned_abs());
    let mut drawn = String::new();
    let classes = {
        let backend = SVGBackend::with_string(&mut drawn, size);
        let mut pen = Pen {
            root: backend.into_drawing_area(),
            classes: Vec::new(),
        };
        draw(&mut pen);
        let _ = pen.root.present();
        pen.classes
    };
    let title = markup::text(title);
    let class = width.class();
    let frame = frame.attribute();
    let mut out = format!(
        "<svg class=\"{class}\" viewBox=\"0 0 {units} {height}\" role=\"img\" \
         aria-label=\"{title}\"{frame}><title>{title}</title>\n"
    );
    restyle(&drawn, &classes, &mut out);
    out
}

impl<'a> Pen<'a> {
    /// A colour that stands for a class.
    fn ink(&mut self, class: &str) -> RGBColor {
        let known = self.classes.iter().position(|one| one == class);
        let index = known.unwrap_or_else(|| {
            self.classes.push(class.to_owned());
            self.classes.len() - 1
        });
        let [_, red, green, blue] = (index as u32).to_be_bytes();
        RGBColor(red, green, blue)
    }

    /// A line through points.
    pub(super) fn line(&mut self, class: &str, points: Vec<(i32, i32)>) {
        let ink = self.ink(class);
        let _ = self.root.draw(&PathElement::new(points, ink));
    }

    /// An area.
    pub(super) fn area(&mut self, class: &str, points: Vec<(i32, i32)>) {
        let ink = self.ink(class);
        let _ = self.root.draw(&Polygon::new(points, ink));
    }

    /// A rectangle, filled.
    pub(super) fn rectangle(&mut self, class: &str, corners: [(i32, i32); 2]) {
        let ink = self.ink(class);
        let _ = self.root.draw(&Rectangle::new(corners, ink.filled()));
    }

    /// A circle, filled.
    pub(super) fn circle(&mut self, class: &str, at: (i32, i32), radius: i32) {
        let ink = self.ink(class);
        let _ = self.root.draw(&Circle::new(at, radius, ink.filled()));
    }

    /// Words.
    pub(super) fn text(&mut self, class: &str, text: &str, at: (i32, i32), side: HPos, up: VPos) {
        let ink = self.ink(class);
        let font = ("sans-serif", LETTER).into_font();
        let style = font.color(&ink).pos(Pos::new(side, up));
        let _ = self.root.draw(&Text::new(markup::plain(text), at, style));
    }

    /// Where values are in the picture. The range of the vertical axis begins at its bottom.
    pub(super) fn plane(&self, frame: &Frame, x: Range<f64>, y: Range<f64>) -> Drawn<'a> {
        let pixels = (frame.left..frame.right, frame.bottom..frame.top);
        Drawn {
            area: self.root.apply_coord_spec(Plane::new(x, y, pixels)),
        }
    }
}

/// Where values are.
pub(super) struct Drawn<'a> {
    area: DrawingArea<SVGBackend<'a>, Plane>,
}

impl Drawn<'_> {
    /// In the picture.
    pub(super) fn at(&self, x: f64, y: f64) -> (i32, i32) {
        self.area.map_coordinate(&(x, y))
    }
}

/// What plotters says of looks and the style sheet says instead.
const LOOKS: [&str; 6] = [
    "opacity",
    "fill",
    "stroke",
    "stroke-width",
    "font-family",
    "font-size",
];

/// The tags inside of plotters' `svg`, with classes for colours, and its end.
fn restyle(drawn: &str, classes: &[String], out: &mut String) {
    // Before the first are its own begin tag and its end.
    for tag in drawn.split('<').skip(2) {
        let Some((inside, after)) = tag.split_once('>') else {
            continue;
        };
        out.push('<');
        if inside.starts_with('/') {
            out.push_str(inside);
        } else {
            one_tag(inside, classes, out);
        }
        out.push('>');
        out.push_str(after.trim_matches('\n'));
    }
}

fn one_tag(inside: &str, classes: &[String], out: &mut String) {
    let (inside, end) = inside
        .strip_suffix('/')
        .map_or((inside, ""), |inside| (inside, "/"));
    let (name, mut rest) = inside.split_once(' ').unwrap_or((inside, ""));
    out.push_str(name);
    while let Some((key, more)) = rest.split_once("=\"") {
        let Some((value, more)) = more.split_once('"') else {
            break;
        };
        rest = more.trim_start();
        if let Some(class) = class(key, value, classes) {
            if !class.is_empty() {
                out.push_str(&format!(" class=\"{class}\""));
            }
        } else if !LOOKS.contains(&key) && value != "start" {
            out.push_str(&format!(" {key}=\"{}\"", value.trim_end()));
        }
    }
    out.push_str(end);
}

/// The class that a colour stands for.
fn class<'a>(key: &str, value: &str, classes: &'a [String]) -> Option<&'a str> {
    let colour = value.strip_prefix('#')?;
    if key != "fill" && key != "stroke" {
        return None;
    }
    let index = usize::from_str_radix(colour, 16).ok()?;
    classes.get(index).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_drawn_has_a_class_and_no_looks_of_its_own() {
        let frame = Frame::new(Width::Narrow, 100 * PIXEL, &[]);
        let drawn = svg(Width::Narrow, 2000, &frame, "a <b>", |pen| {
            pen.area("area o-sqlite", vec![(1, 2), (3, 4), (5, 6)]);
            pen.line("line", vec![(1, 2), (3, 4)]);
            pen.circle("area o-sqlite", (7, 8), 9);
            pen.rectangle("band", [(1, 1), (4, 5)]);
            pen.text("", "<script>\u{1b}", (9, 9), HPos::Right, VPos::Center);
        });
        let (begin, inside) = drawn.split_once("</title>\n").unwrap();
        assert!(begin.starts_with(
            "<svg class=\"plot-narrow\" viewBox=\"0 0 3400 2000\" role=\"img\" \
             aria-label=\"a &lt;b&gt;\" data-frame="
        ));
        assert_eq!(
            inside,
            "<polygon class=\"area o-sqlite\" points=\"1,2 3,4 5,6\"/>\
             <polyline class=\"line\" points=\"1,2 3,4\"/>\
             <circle cx=\"7\" cy=\"8\" r=\"9\" class=\"area o-sqlite\"/>\
             <rect x=\"1\" y=\"1\" width=\"3\" height=\"4\" class=\"band\"/>\
             <text x=\"9\" y=\"9\" dy=\"0.5ex\" text-anchor=\"end\">\
             &lt;script&gt;\u{fffd}</text></svg>"
        );
    }

    #[test]
    fn values_are_drawn_from_the_bottom_of_the_frame_to_its_top() {
        let frame = Frame::new(Width::Wide, 200 * PIXEL, &["10,485,760".to_owned()]);
        svg(Width::Wide, 3000, &frame, "", |pen| {
            let plane = pen.plane(&frame, 0.0..10.0, 0.0..1e13);
            assert_eq!(plane.at(0.0, 0.0), (frame.left, frame.bottom));
            assert_eq!(plane.at(10.0, 1e13), (frame.right, frame.top));
        });
        assert!(frame.left >= text_width("10,485,760"));
    }
}
