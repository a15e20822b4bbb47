//! Bytes over cycles, a line for each scenario.

use serde_json::{Value, json};

use super::Line;
use super::axes::{self, ROW};
use super::canvas::{self, Frame, PIXEL, Pen, Width};
use super::ticks::{self, MIB, STEPS};
use super::{marks, markup};

/// Of a line with more points than twice this, those are drawn that stand out.
const MOST: usize = 200;
/// So many of a line's points are marked.
const MARKED: usize = 24;
/// More lines than this cannot be told apart, nor read.
const MOST_LINES: usize = 40;

struct Picture<'a> {
    lines: Vec<Line>,
    /// Some point is not drawn.
    thinned: bool,
    /// How many lines are left out.
    left_out: usize,
    x_title: &'a str,
    x: (f64, f64),
    /// A step of the vertical axis, in MiB.
    step: f64,
}

/// See [`super::lines`].
pub(super) fn lines(lines: &[Line], x_title: &str, id: &str) -> String {
    let Some(picture) = Picture::of(lines, x_title) else {
        return markup::absent(id, "There is nothing to draw a line through.");
    };
    let drawings: String = Width::BOTH.map(|width| picture.drawing(width)).concat();
    let buttons = |(index, line): (usize, &Line)| {
        markup::button(&index.to_string(), &line.name, &marks::key(index, true))
    };
    let buttons: String = picture.lines.iter().enumerate().map(buttons).collect();
    let below = [
        markup::legend("What is drawn", &buttons),
        picture.caption(),
        markup::data(&picture.data()),
    ];
    markup::figure("lines", id, &drawings, &below.concat())
}

impl<'a> Picture<'a> {
    /// `None` where there is no point.
    fn of(lines: &[Line], x_title: &'a str) -> Option<Self> {
        let mut thinned = false;
        let mut kept: Vec<Line> = Vec::new();
        for line in lines {
            let points = line.points.iter().copied();
            let mut points: Vec<_> = points
                .filter(|(x, y)| x.is_finite() && y.is_finite())
                .collect();
            points.sort_by(|one, other| one.0.total_cmp(&other.0));
            thinned |= thin(&mut points);
            if !points.is_empty() {
                let name = line.name.clone();
                kept.push(Line { name, points });
            }
        }
        let left_out = kept.len().saturating_sub(MOST_LINES);
        kept.truncate(MOST_LINES);
        let all = || kept.iter().flat_map(|line| &line.points);
        let from = all().map(|point| point.0).min_by(f64::total_cmp)?;
        let to = all().map(|point| point.0).max_by(f64::total_cmp)?;
        let most = all().map(|point| point.1).max_by(f64::total_cmp)?;
        // One value is drawn in the middle.
        let x = if to > from {
            (from, to)
        } else {
            (from - 1.0, to + 1.0)
        };
        Some(Picture {
            lines: kept,
            thinned,
            left_out,
            x_title,
            x,
            step: ticks::step(most / MIB),
        })
    }

    fn top(&self) -> f64 {
        self.step * MIB * f64::from(STEPS)
    }

    fn drawing(&self, width: Width) -> String {
        let labels = ticks::labels(self.step);
        let frame = Frame::new(width, width.pick(260, 230) * PIXEL, &labels);
        let axis = frame.bottom + 2 * PIXEL;
        let height = axis + 2 * ROW + 8 * PIXEL;
        let title = format!("Memory over {}: {} lines", self.x_title, self.lines.len());
        canvas::svg(width, height, &frame, &title, |pen| {
            let plane = pen.plane(&frame, self.x.0..self.x.1, 0.0..self.top());
            axes::vertical(pen, &frame, &labels, "MiB");
            let whole = self.lines.iter().flat_map(|line| &line.points);
            let whole = whole.into_iter().all(|point| point.0.fract() == 0.0);
            let least = if whole { 1.0 } else { 0.0 };
            let step = axes::room(&frame, self.x.1 - self.x.0, least);
            axes::horizontal(pen, &plane, self.x, step, axis);
            axes::title(pen, &frame, width, self.x_title, axis + ROW);
            for (index, line) in self.lines.iter().enumerate() {
                let at = |(x, y): &(f64, f64)| plane.at(*x, y.max(0.0));
                draw(pen, index, line.points.iter().map(at).collect());
            }
        })
    }

    fn caption(&self) -> String {
        let mut sentences = Vec::new();
        if self.thinned {
            sentences.push("Of the longest lines the points that stand out are drawn.".to_owned());
        }
        if self.left_out > 0 {
            let drawn = self.lines.len();
            let left_out = self.left_out;
            sentences.push(format!(
                "The first {drawn} lines are drawn; {left_out} are not."
            ));
        }
        if sentences.is_empty() {
            return String::new();
        }
        format!("<figcaption>{}</figcaption>\n", sentences.join(" "))
    }

    fn data(&self) -> Value {
        let line = |line: &Line| json!({ "name": line.name, "points": line.points });
        json!({
            "x": [self.x.0, self.x.1],
            "title": self.x_title,
            "step": self.step,
            "lines": self.lines.iter().map(line).collect::<Vec<_>>(),
        })
    }
}

/// One line with its marks. All that is of it has its class, by which it is taken away.
fn draw(pen: &mut Pen<'_>, index: usize, points: Vec<(i32, i32)>) {
    let every = points.len().div_ceil(MARKED).max(1);
    pen.line(&format!("{} s{index}", marks::line(index)), points.clone());
    for point in points.iter().step_by(every) {
        marks::draw(pen, index, &format!(" s{index}"), *point, 4 * PIXEL);
    }
}

/// Of each two neighbours the higher one goes on, until there is room; the ends always do.
fn thin(points: &mut Vec<(f64, f64)>) -> bool {
    let before = points.len();
    while points.len() > 2 * MOST {
        let last = points.len() - 1;
        let inner = points[1..last].chunks(2);
        let higher = |pair: &[(f64, f64)]| pair.iter().copied().max_by(|a, b| a.1.total_cmp(&b.1));
        let mut kept = vec![points[0]];
        kept.extend(inner.filter_map(higher));
        kept.push(points[last]);
        *points = kept;
    }
    points.len() < before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, points: &[(f64, f64)]) -> Line {
        Line {
            name: name.into(),
            points: points.to_vec(),
        }
    }

    #[test]
    fn no_points_one_point_and_no_numbers_are_pictures_or_a_sentence() {
        assert!(lines(&[], "cycle", "l").contains("<figcaption>There is nothing"));
        let nothing = line("n", &[(f64::NAN, 1.0), (1.0, f64::INFINITY)]);
        assert!(!lines(&[nothing, line("e", &[])], "cycle", "l").contains("<svg"));
        let one = lines(&[line("one", &[(3.0, 0.0)])], "cycle", "l");
        assert_eq!(one.matches("<circle class=\"mark c0\"").count(), 1);
        assert_eq!(one.matches("class=\"mark c0 s0\"").count(), 2);
        assert!(one.contains(">3</text>"), "{one}");
        let huge = lines(
            &[line("ten", &[(0.0, 1.0), (1.0, 10.0 * 1e6 * MIB)])],
            "c",
            "l",
        );
        assert!(huge.contains(">10,000,000</text>"), "{huge}");
        assert!(!huge.contains("NaN") && !huge.contains("inf"));
    }

    #[test]
    fn a_name_is_text_wherever_it_stands() {
        let hostile = "<script>alert(1)</script>\"'&";
        let drawn = lines(&[line(hostile, &[(0.0, 1.0), (1.0, 2.0)])], hostile, "l");
        assert_eq!(drawn.matches("<script").count(), 1, "the data's own");
        assert_eq!(drawn.matches("</script").count(), 1);
    }

    #[test]
    fn a_long_line_keeps_its_ends_and_its_peak_in_the_same_room() {
        let points = |n: u32| (f64::from(n), if n == 61_803 { 9e9 } else { f64::from(n) });
        let long = line("long", &(0..100_000).map(points).collect::<Vec<_>>());
        let picture = Picture::of(std::slice::from_ref(&long), "cycle").unwrap();
        let kept = &picture.lines[0].points;
        assert!(kept.len() <= 2 * MOST && kept.len() > MOST / 2);
        assert_eq!((kept[0].0, kept[kept.len() - 1].0), (0.0, 99_999.0));
        assert!(kept.iter().any(|point| point.1 == 9e9));
        let drawn = lines(&[long], "cycle", "l");
        assert!(drawn.contains("that stand out are drawn"));
        assert!(drawn.len() < 40_000, "{}", drawn.len());
    }
}
