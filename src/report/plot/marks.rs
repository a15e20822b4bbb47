//! What tells series and groups apart: a colour, and for who does not see colours a dash and a shape.

use super::canvas::{PIXEL, Pen};

const COLOURS: usize = 8;
const DASHES: usize = 4;
const SHAPES: usize = 5;

/// The class of a line: its colour and its dash.
pub(super) fn line(index: usize) -> String {
    format!("line c{} d{}", index % COLOURS, index % DASHES)
}

/// The class of what is filled.
pub(super) fn filled(index: usize) -> String {
    format!("mark c{}", index % COLOURS)
}

/// Corners about a middle, in tenths of its radius; none for a circle.
fn corners(index: usize) -> &'static [(i32, i32)] {
    match index % SHAPES {
        0 => &[],
        1 => &[(-9, -9), (9, -9), (9, 9), (-9, 9)],
        2 => &[(0, -12), (11, 8), (-11, 8)],
        3 => &[(0, -13), (13, 0), (0, 13), (-13, 0)],
        _ => &[(0, 12), (11, -8), (-11, -8)],
    }
}

fn around(index: usize, (x, y): (i32, i32), radius: i32) -> Vec<(i32, i32)> {
    let corner = |(right, down): &(i32, i32)| (x + right * radius / 10, y + down * radius / 10);
    corners(index).iter().map(corner).collect()
}

/// One of a series, with `class` beside its own.
pub(super) fn draw(pen: &mut Pen<'_>, index: usize, class: &str, at: (i32, i32), radius: i32) {
    let class = format!("{}{class}", filled(index));
    if corners(index).is_empty() {
        pen.circle(&class, at, radius);
    } else {
        pen.area(&class, around(index, at, radius));
    }
}

/// The same in a legend, on its line where it has one.
pub(super) fn key(index: usize, with_line: bool) -> String {
    let middle = (14 * PIXEL, 6 * PIXEL);
    let line = if with_line {
        let class = line(index);
        format!("<path class=\"{class}\" d=\"M0 60H280\"/>")
    } else {
        String::new()
    };
    let class = filled(index);
    let points = around(index, middle, 4 * PIXEL);
    let shape = if points.is_empty() {
        format!("<circle class=\"{class}\" cx=\"140\" cy=\"60\" r=\"40\"/>")
    } else {
        let points = points.iter().map(|(x, y)| format!("{x},{y}"));
        let points = points.collect::<Vec<_>>().join(" ");
        format!("<polygon class=\"{class}\" points=\"{points}\"/>")
    };
    let view = if with_line {
        "0 0 280 120"
    } else {
        "80 0 120 120"
    };
    format!("<svg class=\"key-line\" viewBox=\"{view}\" aria-hidden=\"true\">{line}{shape}</svg>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_series_are_told_apart_without_and_with_colours() {
        let looks = |index: usize| format!("{} {:?}", line(index), corners(index));
        let all: std::collections::BTreeSet<String> = (0..40).map(looks).collect();
        assert_eq!(all.len(), 40);
        let neighbours = |index| line(index).rsplit_once(' ').unwrap().1.to_owned();
        assert!((0..39).all(|index| neighbours(index) != neighbours(index + 1)));
    }
}
