//! A ledger over time: areas by owner, stacked, that together are RSS; above them what was resident
//! between ledgers, below them phases and cycles.

use serde_json::{Value, json};

use super::axes::{self, ROW};
use super::canvas::{self, Drawn, Frame, PIXEL, Pen, Width};
use super::markup;
use super::spans::{self, BAND};
use super::ticks::{self, MIB, STEPS};
use crate::report::format;
use crate::report::timeline::{OWNERS, Point, Timeline};

/// What the areas and lines of one scenario come to.
struct Picture<'a> {
    timeline: &'a Timeline,
    /// Those owners that are not always 0, by index.
    owners: Vec<usize>,
    /// How long the axis of time is, in seconds.
    seconds: f64,
    /// A step of the vertical axis, in MiB.
    step: f64,
    /// How far it goes below zero, in bytes.
    below: f64,
    phases: Vec<&'a str>,
}

/// Where an owner's area begins and ends at each point, in bytes.
type Band = Vec<(i64, i64)>;

/// See [`super::ledger`].
pub(super) fn ledger(timeline: &Timeline, id: &str) -> String {
    if timeline.points().is_empty() {
        return markup::absent(id, "No ledger was taken.");
    }
    let picture = Picture::of(timeline);
    let drawings: String = Width::BOTH.map(|width| picture.drawing(width)).concat();
    let below = [
        picture.legend(),
        picture.phase_key(),
        picture.caption(),
        markup::data(&picture.data()),
    ];
    markup::figure("ledger", id, &drawings, &below.concat())
}

impl<'a> Picture<'a> {
    fn of(timeline: &'a Timeline) -> Self {
        let points = timeline.points();
        let is_shown = |owner: &usize| points.iter().any(|point| point.owners[*owner] != 0);
        let owners: Vec<usize> = (0..OWNERS.len()).filter(is_shown).collect();
        let ends = points.iter().map(|point| point.at_ns);
        let ends = ends.chain(timeline.looks().iter().map(|look| look.at_ns));
        let ends = ends.chain(timeline.spans().iter().map(|span| span.to_ns));
        let to_ns = ends.max().unwrap_or(0);
        let bands = stacked(points, &owners);
        let least = bands.iter().flatten().map(|band| band.0).min();
        let below = -(least.unwrap_or(0).min(0) as f64);
        let highest = bands.iter().flatten().map(|band| band.1);
        let highest = highest.chain(points.iter().map(|point| point.rss_bytes));
        let highest = highest.chain(timeline.looks().iter().map(|look| look.rss_bytes));
        let most = highest.max().unwrap_or(0) as f64;
        let step = ticks::step(most.max(below) / MIB);
        let top = step * MIB * f64::from(STEPS);
        Picture {
            timeline,
            owners,
            seconds: to_ns.max(1) as f64 / 1e9,
            step,
            // Less cannot be seen.
            below: if below > top / 100.0 { below } else { 0.0 },
            phases: spans::seen(timeline.spans(), to_ns as f64),
        }
    }

    fn top(&self) -> f64 {
        self.step * MIB * f64::from(STEPS)
    }

    fn drawing(&self, width: Width) -> String {
        let labels = ticks::labels(self.step);
        let above = width.pick(280, 240) * PIXEL;
        let below = (f64::from(above) * self.below / self.top()).ceil();
        let mut frame = Frame::new(width, above + below as i32, &labels);
        frame.zero = frame.top + above;
        let cycles = spans::cycles(self.timeline.spans());
        // Below the label of zero.
        let band = frame.bottom + 8 * PIXEL;
        let row = band + BAND;
        let axis = if cycles.is_empty() { row } else { row + BAND };
        let height = axis + 2 * ROW + 8 * PIXEL;
        let title = self.title();
        canvas::svg(width, height, &frame, &title, |pen| {
            let deep = -self.top() * below / f64::from(above);
            let plane = pen.plane(&frame, 0.0..self.seconds, deep..self.top());
            self.areas(pen, width, &frame, &plane);
            axes::vertical(pen, &frame, &labels, "MiB");
            self.lines(pen, width, &plane);
            let step = axes::room(&frame, self.seconds, 0.0);
            axes::horizontal(pen, &plane, (0.0, self.seconds), step, axis);
            let spans = self.timeline.spans();
            spans::phases(pen, &frame, &plane, spans, &self.phases, band);
            if !cycles.is_empty() {
                spans::numbers(pen, &frame, &plane, &cycles, row);
            }
            let title = "seconds since the testee's start";
            axes::title(pen, &frame, width, title, axis + ROW);
        })
    }

    /// Edges of what goes up and down at each pixel would hide it.
    fn density(&self, width: Width) -> &'static str {
        let dense = self.timeline.points().len() > width.pick(300, 100);
        if dense { " dense" } else { "" }
    }

    fn areas(&self, pen: &mut Pen<'_>, width: Width, frame: &Frame, plane: &Drawn<'_>) {
        let points = self.timeline.points();
        let columns = columns(points, frame, plane);
        for (owner, band) in self.owners.iter().zip(stacked(points, &self.owners)) {
            let y = |bytes: i64| plane.at(0.0, bytes as f64).1.min(frame.bottom);
            let high = columns.iter().map(|(x, point)| (*x, y(band[*point].1)));
            let low = columns.iter().rev();
            let low = low.map(|(x, point)| (*x, y(band[*point].0)));
            let class = format!("area o-{}{}", OWNERS[*owner], self.density(width));
            pen.area(&class, high.chain(low).collect());
        }
    }

    fn lines(&self, pen: &mut Pen<'_>, width: Width, plane: &Drawn<'_>) {
        let at = |at_ns: u64, bytes: i64| plane.at(at_ns as f64 / 1e9, bytes as f64);
        let looks = self.timeline.looks().iter();
        let looks: Vec<_> = looks.map(|look| at(look.at_ns, look.rss_bytes)).collect();
        if !looks.is_empty() {
            pen.line("looks", looks);
        }
        let points = self.timeline.points().iter();
        let points = points.map(|point| at(point.at_ns, point.rss_bytes));
        let class = format!("rss{}", self.density(width));
        pen.line(&class, points.collect());
    }

    /// In words, for who does not see it.
    fn title(&self) -> String {
        let points = self.timeline.points();
        let most = points.iter().max_by_key(|point| point.rss_bytes);
        let Some(most) = most else {
            return String::new();
        };
        let owner = (0..OWNERS.len()).max_by_key(|owner| most.owners[*owner]);
        let owner = owner.map_or("", |owner| OWNERS[owner]);
        format!(
            "Resident memory by owner over time: {} ledgers in {}, at most {}, of which {owner} has the largest share",
            format::count(self.timeline.ledgers()),
            format::nanoseconds((self.seconds * 1e9) as u64),
            format::bytes(most.rss_bytes),
        )
    }

    fn legend(&self) -> String {
        let mut buttons = String::new();
        for owner in &self.owners {
            let name = OWNERS[*owner];
            let key = format!("<i class=\"key o-{name}\"></i>");
            buttons.push_str(&markup::button(&format!("o-{name}"), name, &key));
        }
        let key = |class: &str| format!("<i class=\"key {class}\"></i>");
        buttons.push_str(&markup::button("rss", "RSS", &key("key-rss")));
        if !self.timeline.looks().is_empty() {
            let looks = "RSS from outside, between ledgers";
            buttons.push_str(&markup::button("looks", looks, &key("key-looks")));
        }
        markup::legend("What is drawn", &buttons)
    }

    fn phase_key(&self) -> String {
        if self.phases.len() < 2 {
            return String::new();
        }
        let key = |phase: &&str| {
            let tone = spans::tone(&self.phases, phase);
            let name = markup::text(phase);
            format!("<span><i class=\"key {tone}\"></i>{name}</span>\n")
        };
        let keys: String = self.phases.iter().map(key).collect();
        format!("<div class=\"plot-phases\"><span>phases:</span>\n{keys}</div>\n")
    }

    fn caption(&self) -> String {
        let ledgers = self.timeline.ledgers();
        let shown = self.timeline.points().len() as u64;
        let sentence = if shown < ledgers {
            let (all, shown) = (format::count(ledgers), format::count(shown));
            format!("Of {all} ledgers, the {shown} that stand out are drawn.")
        } else if self.timeline.is_thinned() {
            "Of phases and of looks from outside, those that stand out are drawn.".to_owned()
        } else {
            return String::new();
        };
        format!("<figcaption>{sentence}</figcaption>\n")
    }

    /// What the script draws and shows: exact, and not what is drawn already.
    fn data(&self) -> Value {
        let mut phases: Vec<&str> = Vec::new();
        let points: Vec<Value> = self
            .timeline
            .points()
            .iter()
            .map(|point| {
                let known = phases.iter().position(|phase| *phase == point.phase);
                let phase = known.unwrap_or_else(|| {
                    phases.push(&point.phase);
                    phases.len() - 1
                });
                let owners: Vec<i64> = self
                    .owners
                    .iter()
                    .map(|owner| point.owners[*owner])
                    .collect();
                json!([
                    point.at_ns,
                    phase,
                    point.probe,
                    point.cycle,
                    point.reading,
                    point.rss_bytes,
                    owners
                ])
            })
            .collect();
        let looks = self.timeline.looks().iter().map(|look| look.rss_bytes);
        json!({
            "to": self.seconds * 1e9,
            "step": self.step,
            "owners": self.owners.iter().map(|owner| OWNERS[*owner]).collect::<Vec<_>>(),
            "phases": phases,
            "looks": looks.max().unwrap_or(0),
            "points": points,
        })
    }
}

/// Where each point is on the axis of time. What there is only one of is widened, to be seen.
fn columns(points: &[Point], frame: &Frame, plane: &Drawn<'_>) -> Vec<(i32, usize)> {
    let x = |point: &Point| plane.at(point.at_ns as f64 / 1e9, 0.0).0;
    let at = points.iter().map(x).zip(0..).collect::<Vec<_>>();
    match at[..] {
        [(x, point)] => {
            let (from, to) = (x - 6 * PIXEL, x + 6 * PIXEL);
            vec![(from.max(frame.left), point), (to.min(frame.right), point)]
        }
        _ => at,
    }
}

/// What is positive from zero upwards, what is negative from zero downwards, in the order of owners.
fn stacked(points: &[Point], owners: &[usize]) -> Vec<Band> {
    let mut bands: Vec<Band> = vec![Vec::with_capacity(points.len()); owners.len()];
    for point in points {
        let (mut up, mut down) = (0_i64, 0_i64);
        for (band, owner) in bands.iter_mut().zip(owners) {
            let bytes = point.owners[*owner];
            let from = if bytes < 0 { down } else { up };
            let to = from.saturating_add(bytes);
            band.push((from.min(to), from.max(to)));
            if bytes < 0 { down = to } else { up = to }
        }
    }
    bands
}

#[cfg(test)]
mod tests;
