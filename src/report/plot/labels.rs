//! Labels beside spots that neither lie on one another nor on a spot, and stay in the picture.

use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Frame, PIXEL, Pen, Width, text_width};

/// Half the height of a line of text.
const HALF: i32 = 8 * PIXEL;

/// What is taken in a picture.
pub(super) struct Labels {
    frame: Frame,
    right: i32,
    taken: Vec<Area>,
    radius: i32,
}

/// From the left top to the right bottom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Area {
    left: i32,
    top: i32,
    right: i32,
    bottom: i32,
}

impl Area {
    fn meets(&self, other: &Area) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
}

impl Labels {
    /// For spots at these places, which take up `radius` each.
    pub(super) fn new(frame: &Frame, width: Width, spots: &[(i32, i32)], radius: i32) -> Self {
        let spot = |(x, y): &(i32, i32)| Area {
            left: x - radius,
            top: y - radius,
            right: x + radius,
            bottom: y + radius,
        };
        Labels {
            frame: *frame,
            right: width.units() - 2 * PIXEL,
            taken: spots.iter().map(spot).collect(),
            radius,
        }
    }

    /// Keeps labels off a line.
    pub(super) fn keep_off(&mut self, line: &[(i32, i32)]) {
        for ends in line.windows(2) {
            let [(x, y), (to_x, to_y)] = [ends[0], ends[1]];
            self.taken.push(Area {
                left: x.min(to_x) - PIXEL,
                top: y.min(to_y) - PIXEL,
                right: x.max(to_x) + PIXEL,
                bottom: y.max(to_y) + PIXEL,
            });
        }
    }

    /// Writes the first of `texts` that finds a place beside the spot; none where none does.
    pub(super) fn draw(&mut self, pen: &mut Pen<'_>, spot: (i32, i32), texts: &[String]) {
        let mut found = texts
            .iter()
            .filter_map(|text| Some((text, self.place(spot, text)?)));
        if let Some((text, (at, side, area))) = found.next() {
            self.taken.push(area);
            pen.text("", text, at, side, VPos::Center);
        }
    }

    fn place(&self, spot: (i32, i32), text: &str) -> Option<((i32, i32), HPos, Area)> {
        let wide = text_width(text);
        for far in 0..4 {
            let beside = self.radius + 2 * PIXEL + far * 8 * PIXEL;
            let above = self.radius + HALF + far * 8 * PIXEL;
            let sides = [
                (beside, 0, HPos::Left),
                (-beside, 0, HPos::Right),
                (0, -above, HPos::Center),
                (0, above, HPos::Center),
                (beside, -above, HPos::Left),
                (beside, above, HPos::Left),
                (-beside, -above, HPos::Right),
                (-beside, above, HPos::Right),
            ];
            for (right, down, side) in sides {
                let at = (spot.0 + right, spot.1 + down);
                let area = area(at, side, wide);
                if self.is_free(&area) {
                    return Some((at, side, area));
                }
            }
        }
        None
    }

    fn is_free(&self, area: &Area) -> bool {
        let inside = area.left > self.frame.left
            && area.right < self.right
            && area.top > self.frame.top - 10 * PIXEL
            && area.bottom < self.frame.bottom;
        inside && !self.taken.iter().any(|taken| taken.meets(area))
    }
}

fn area(at: (i32, i32), side: HPos, wide: i32) -> Area {
    let left = match side {
        HPos::Left => at.0,
        HPos::Right => at.0 - wide,
        HPos::Center => at.0 - wide / 2,
    };
    Area {
        left,
        top: at.1 - HALF,
        right: left + wide,
        bottom: at.1 + HALF,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_spots_side_by_side_keep_off_each_other_and_the_edges() {
        let frame = Frame::new(Width::Narrow, 260 * PIXEL, &[]);
        let spots: Vec<(i32, i32)> = (0..30)
            .map(|n| (600 + n % 6 * 450, 400 + n / 6 * 300))
            .collect();
        let mut labels = Labels::new(&frame, Width::Narrow, &spots, 90);
        let mut written = 0;
        for (n, spot) in spots.iter().enumerate() {
            let place = [format!("{n} a name"), n.to_string()];
            let found = place.iter().find_map(|text| labels.place(*spot, text));
            if let Some((_, _, area)) = found {
                assert!(labels.taken.iter().all(|other| !other.meets(&area)));
                assert!(area.right <= Width::Narrow.units() && area.left >= frame.left);
                labels.taken.push(area);
                written += 1;
            }
        }
        assert!(written >= 25, "{written}");
    }

    #[test]
    fn a_label_without_any_place_is_left_out() {
        let frame = Frame::new(Width::Narrow, 20 * PIXEL, &[]);
        let labels = Labels::new(&frame, Width::Narrow, &[(700, 300)], 90);
        assert!(labels.place((700, 300), &"w".repeat(80)).is_none());
    }
}
