//! What all pictures have around them: lines across at round values with their labels, and the
//! horizontal axis with its title.

use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Drawn, Frame, PIXEL, Pen, Width, text_width};
use super::ticks::{self, STEPS};

/// Between a label and what it belongs to.
pub(super) const GAP: i32 = 6 * PIXEL;
/// From one line of text to the next.
pub(super) const ROW: i32 = 18 * PIXEL;

/// The vertical axis: its lines stay where they are whatever it reaches, so that a script has only
/// the labels to change.
pub(super) fn vertical(pen: &mut Pen<'_>, frame: &Frame, labels: &[String], title: &str) {
    for (n, label) in (0..=STEPS).zip(labels) {
        let y = frame.zero - (frame.zero - frame.top) * n / STEPS;
        let class = if n == 0 { "axis" } else { "grid" };
        pen.line(class, vec![(frame.left, y), (frame.right, y)]);
        let at = (frame.left - GAP, y);
        pen.text("y", label, at, HPos::Right, VPos::Center);
    }
    let fits = text_width(title) < frame.left - GAP;
    let (x, side) = if fits {
        (frame.left - GAP, HPos::Right)
    } else {
        (GAP, HPos::Left)
    };
    let at = (x, frame.top - 20 * PIXEL);
    pen.text("", title, at, side, VPos::Center);
}

/// The horizontal axis, its labels in the row that begins at `y`.
pub(super) fn horizontal(
    pen: &mut Pen<'_>,
    plane: &Drawn<'_>,
    range: (f64, f64),
    step: f64,
    y: i32,
) {
    for value in ticks::multiples(range.0, range.1, step) {
        let (x, _) = plane.at(value, 0.0);
        pen.line("tick", vec![(x, y), (x, y + 4 * PIXEL)]);
        let label = ticks::label(value, step);
        let at = (x, y + ROW / 2 + 4 * PIXEL);
        pen.text("", &label, at, HPos::Center, VPos::Center);
    }
}

/// What the horizontal axis counts, in the row that begins at `y`.
pub(super) fn title(pen: &mut Pen<'_>, frame: &Frame, width: Width, title: &str, y: i32) {
    let most = (width.units() - 2 * GAP) / text_width("m");
    let title = super::markup::shortened(title, usize::try_from(most).unwrap_or(0));
    let at = ((frame.left + frame.right) / 2, y + ROW / 2 + 3 * PIXEL);
    let half = text_width(&title) / 2;
    // On a narrow page a long one begins at the picture's edge.
    let x = at.0.min(width.units() - GAP - half).max(GAP + half);
    pen.text("", &title, (x, at.1), HPos::Center, VPos::Center);
}

/// Labels of a horizontal axis of `length` that find room side by side.
pub(super) fn room(frame: &Frame, length: f64, least_step: f64) -> f64 {
    let mut step = ticks::coarse_step(length, 8).max(least_step);
    for _ in 0..12 {
        let label = ticks::label(length, step);
        let needed = f64::from(text_width(&label) + 2 * GAP);
        if f64::from(frame.right - frame.left) * step / length >= needed {
            break;
        }
        step = ticks::coarse_step(step * 1.01, 1);
    }
    step
}
