//! Peak RSS against throughput: less to the left, faster to the top. What nothing else beats in both is
//! ringed and connected.

use serde_json::{Value, json};

use super::Spot;
use super::axes::{self, ROW};
use super::canvas::{self, Drawn, Frame, PIXEL, Pen, Width};
use super::labels::Labels;
use super::ticks::{self, MIB, STEPS};
use super::{marks, markup};
use crate::report::format;

/// How large a spot is.
const RADIUS: i32 = 5 * PIXEL;
/// How large a ring is.
const RING: i32 = 9 * PIXEL;
/// More than this are left out.
const MOST: usize = 200;

struct Picture<'a> {
    spots: Vec<&'a Spot>,
    left_out: usize,
    groups: Vec<&'a str>,
    unit: &'a str,
    /// A step of the vertical axis, in the unit.
    step: f64,
    /// How long the horizontal one is, in MiB.
    across: f64,
}

/// See [`super::scatter`].
pub(super) fn scatter(spots: &[Spot], unit: &str, id: &str) -> String {
    let Some(picture) = Picture::of(spots, unit) else {
        return markup::absent(id, "There is no throughput to set against memory.");
    };
    let drawings: String = Width::BOTH.map(|width| picture.drawing(width)).concat();
    let below = [
        picture.groups_key(),
        picture.list(),
        picture.caption(),
        markup::data(&picture.data()),
    ];
    markup::figure("scatter", id, &drawings, &below.concat())
}

impl<'a> Picture<'a> {
    /// `None` where no spot has both numbers.
    fn of(spots: &'a [Spot], unit: &'a str) -> Option<Self> {
        let all = spots.len();
        let fits = |number: f64| number.is_finite() && number >= 0.0;
        let both = |spot: &&Spot| fits(spot.bytes) && fits(spot.throughput);
        let spots: Vec<&Spot> = spots.iter().filter(both).take(MOST).collect();
        let mut groups: Vec<&str> = Vec::new();
        for spot in &spots {
            if !groups.contains(&spot.group.as_str()) {
                groups.push(&spot.group);
            }
        }
        let fastest = spots
            .iter()
            .map(|spot| spot.throughput)
            .max_by(f64::total_cmp)?;
        let largest = spots.iter().map(|spot| spot.bytes).max_by(f64::total_cmp)?;
        Some(Picture {
            left_out: all - spots.len(),
            spots,
            groups,
            unit,
            // Above the fastest is room for its label.
            step: ticks::step(fastest * 1.05),
            across: ticks::step(largest * 1.05 / MIB) * f64::from(STEPS),
        })
    }

    fn group(&self, spot: &Spot) -> usize {
        let index = self.groups.iter().position(|group| *group == spot.group);
        index.unwrap_or(0)
    }

    fn drawing(&self, width: Width) -> String {
        let labels = ticks::labels(self.step);
        let frame = Frame::new(width, width.pick(340, 260) * PIXEL, &labels);
        let axis = frame.bottom + 2 * PIXEL;
        let height = axis + 2 * ROW + 8 * PIXEL;
        let title = format!(
            "Peak RSS against throughput in {}: {} spots",
            self.unit,
            self.spots.len()
        );
        canvas::svg(width, height, &frame, &title, |pen| {
            let top = self.step * f64::from(STEPS);
            let plane = pen.plane(&frame, 0.0..self.across, 0.0..top);
            axes::vertical(pen, &frame, &labels, self.unit);
            let step = axes::room(&frame, self.across, 0.0);
            axes::horizontal(pen, &plane, (0.0, self.across), step, axis);
            axes::title(
                pen,
                &frame,
                width,
                "peak RSS in MiB: less is to the left",
                axis + ROW,
            );
            let front = self.front(&plane);
            if front.len() > 1 {
                pen.line("front", front.clone());
            }
            let places: Vec<_> = self
                .spots
                .iter()
                .map(|spot| Self::at(&plane, spot))
                .collect();
            self.marks(pen, &places);
            let mut labels = Labels::new(&frame, width, &places, RING);
            labels.keep_off(&front);
            self.names(pen, &places, &mut labels, width.pick(28, 12));
        })
    }

    fn at(plane: &Drawn<'_>, spot: &Spot) -> (i32, i32) {
        plane.at(spot.bytes / MIB, spot.throughput)
    }

    /// From each of the best to the next one, as far as nothing is better.
    fn front(&self, plane: &Drawn<'_>) -> Vec<(i32, i32)> {
        let best = self.spots.iter().filter(|spot| spot.best);
        let mut best: Vec<&&Spot> = best.collect();
        best.sort_by(|one, other| one.bytes.total_cmp(&other.bytes));
        let mut points: Vec<(i32, i32)> = Vec::new();
        for spot in best {
            let at = Self::at(plane, spot);
            if let Some(before) = points.last() {
                points.push((at.0, before.1));
            }
            points.push(at);
        }
        points
    }

    fn marks(&self, pen: &mut Pen<'_>, places: &[(i32, i32)]) {
        for (spot, at) in self.spots.iter().zip(places) {
            if spot.best {
                pen.circle("ring", *at, RING);
            }
            marks::draw(pen, self.group(spot), "", *at, RADIUS);
        }
    }

    /// The number of each, with as much of its name as there is room for.
    fn names(&self, pen: &mut Pen<'_>, places: &[(i32, i32)], labels: &mut Labels, most: usize) {
        for (number, (spot, at)) in (1..).zip(self.spots.iter().zip(places)) {
            let name = markup::shortened(&spot.name, most);
            let named = format!("{number} {name}");
            labels.draw(pen, *at, &[named, number.to_string()]);
        }
    }

    /// Which mark is whose, unless each spot has one of its own.
    fn groups_key(&self) -> String {
        let named = self.groups.iter().any(|group| !group.is_empty());
        let shown = named && self.groups.len() < self.spots.len();
        let group = |(index, name): (usize, &&str)| {
            let (key, name) = (marks::key(index, false), markup::text(name));
            format!("<span>{key}{name}</span>\n")
        };
        let shown = if shown { &self.groups[..] } else { &[] };
        let groups: String = shown.iter().enumerate().map(group).collect();
        let front = if self.spots.iter().any(|spot| spot.best) {
            "<span><i class=\"key-ring\"></i>nothing has less memory and more throughput</span>\n"
        } else {
            ""
        };
        if groups.is_empty() && front.is_empty() {
            return String::new();
        }
        format!("<div class=\"plot-groups\">\n{groups}{front}</div>\n")
    }

    /// The numbers in the picture are these.
    fn list(&self) -> String {
        let item = |spot: &&Spot| {
            let (name, unit) = (markup::text(&spot.name), markup::text(self.unit));
            let memory = format::bytes(spot.bytes as i64);
            let throughput = throughput(spot.throughput);
            let best = if spot.best { " class=\"best\"" } else { "" };
            format!("<li{best}>{name}: {memory}, {throughput} {unit}</li>\n")
        };
        let items: String = self.spots.iter().map(item).collect();
        format!("<ol class=\"plot-spots\">\n{items}</ol>\n")
    }

    fn caption(&self) -> String {
        match self.left_out {
            0 => String::new(),
            1 => "<figcaption>One is not drawn: it has no throughput.</figcaption>\n".to_owned(),
            many if self.spots.len() < MOST => {
                format!("<figcaption>{many} are not drawn: they have no throughput.</figcaption>\n")
            }
            many => format!("<figcaption>{many} more are not drawn.</figcaption>\n"),
        }
    }

    fn data(&self) -> Value {
        let spot = |spot: &&Spot| {
            json!([
                spot.name,
                spot.group,
                spot.bytes,
                spot.throughput,
                spot.best
            ])
        };
        json!({
            "x": self.across * MIB,
            "y": self.step * f64::from(STEPS),
            "unit": self.unit,
            "spots": self.spots.iter().map(spot).collect::<Vec<_>>(),
        })
    }
}

/// `512,345`, `50.2`, `6.28`.
fn throughput(number: f64) -> String {
    match number {
        ..10.0 => format!("{number:.2}"),
        ..100.0 => format!("{number:.1}"),
        _ => format::count(number.round() as u64),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(name: &str, bytes: f64, throughput: f64, best: bool) -> Spot {
        Spot {
            name: name.into(),
            group: "insert".into(),
            bytes,
            throughput,
            best,
        }
    }

    #[test]
    fn nothing_one_and_no_numbers_are_a_picture_or_a_sentence() {
        assert!(scatter(&[], "rows/s", "s").contains("<figcaption>There is no throughput"));
        let none = spot("n", 1.0, f64::NAN, false);
        assert!(!scatter(std::slice::from_ref(&none), "rows/s", "s").contains("<svg"));
        let one = scatter(&[spot("one", 0.0, 0.0, true), none], "rows/s", "s");
        assert_eq!(one.matches("<svg class=\"plot-").count(), 2);
        assert!(one.contains("One is not drawn"));
        let huge = scatter(&[spot("h", 1.1e13, f64::MAX, true)], "rows/s", "s");
        assert!(!huge.contains("NaN") && !huge.contains("points=\"\""));
    }

    #[test]
    fn the_front_goes_in_steps_from_one_of_the_best_to_the_next() {
        let spots = [
            spot("fast", 100.0 * MIB, 1000.0, true),
            spot("beaten", 90.0 * MIB, 100.0, false),
            spot("small", 10.0 * MIB, 500.0, true),
        ];
        let drawn = scatter(&spots, "rows/s", "s");
        assert_eq!(drawn.matches("class=\"ring\"").count(), 4);
        let front = drawn
            .split("<polyline class=\"front\" points=\"")
            .nth(1)
            .unwrap();
        let front = front.split('"').next().unwrap();
        let points: Vec<(i32, i32)> = front
            .split(' ')
            .map(|point| point.split_once(',').unwrap())
            .map(|(x, y)| (x.parse().unwrap(), y.parse().unwrap()))
            .collect();
        let [from, corner, to] = points[..] else {
            panic!("{front}");
        };
        assert_eq!(corner, (to.0, from.1));
        assert!(to.0 > from.0 && to.1 < from.1, "faster is higher");
    }

    #[test]
    fn a_name_is_text_wherever_it_stands() {
        let hostile = "<script>alert(1)</script>\"'&";
        let mut spot = spot(hostile, 1e6, 1e3, true);
        spot.group = hostile.into();
        let drawn = scatter(&[spot], hostile, "s");
        assert_eq!(drawn.matches("<script").count(), 1, "the data's own");
    }
}
